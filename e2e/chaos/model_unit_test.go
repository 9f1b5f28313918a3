package chaos

import (
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// The answers of the model for one triplet.
func TestModel(t *testing.T) {
	w := windows{180, 3600, 25000, 3000000}
	waiting, passed := state{known: true, at: 1000}, state{known: true, passed: true, at: 1000}
	for _, c := range []struct {
		state state
		age   int64
		want  said
		then  state
	}{
		{state{}, 0, said{"defer", "not-seen-before", 3600}, state{known: true}},
		{waiting, 179, said{"defer", "way-too-soon", 3600}, state{known: true}},
		{waiting, 180, said{"defer", "too-soon", 3420}, waiting},
		{waiting, 3599, said{"defer", "too-soon", 1}, waiting},
		{waiting, 3600, said{"accept", "now-grey", 0}, state{known: true, passed: true}},
		{waiting, 25000, said{"accept", "now-grey", 0}, state{known: true, passed: true}},
		{waiting, 25001, said{"defer", "too-late", 3600}, state{known: true}},
		{passed, 3000000, said{"accept", "already-grey", 0}, state{known: true, passed: true}},
		{passed, 3000001, said{"defer", "grey-too-long", 3600}, state{known: true}},
	} {
		m := moment{now: 1000 + c.age, epoch: 3}
		if c.then != waiting {
			c.then.at, c.then.epoch = m.now, m.epoch
		}
		got, after := w.attempt(c.state, c.age, m)
		if got != c.want || len(after) != 1 || after[0] != c.then {
			t.Errorf("%+v at %d: %+v, %+v", c.state, c.age, got, after)
		}
	}
}

// The ages that the model takes for right.
func TestAgesOfTheModel(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []int64 // how far ahead the clock is in each epoch
		born  int     // the epoch in which the daemon was started
		want  int64   // the age in the last epoch, of what was remembered 100 s ago in the first
	}{
		{"none", []int64{0}, 0, 100},
		{"forward is no waiting time", []int64{0, hour}, 0, 100},
		{"across a restart the wall clock is believed", []int64{0, hour}, 1, 100 + hour},
		{"the future is now", []int64{0, -hour}, 0, 0},
		{"there and back", []int64{0, 10 * year, 0}, 0, 100},
		{"half of it back", []int64{0, hour, hour / 2}, 0, 100},
		{"back and further forward", []int64{0, -hour, hour}, 0, 100},
	} {
		clock := &wrongClock{}
		for _, ahead := range c.steps {
			clock.epochs = append(clock.epochs, epoch{ahead: ahead})
		}
		last := len(c.steps) - 1
		ages := clock.ages(1000, 0, c.born, moment{1100 + c.steps[last], last})
		if ages[0] != c.want {
			t.Errorf("%s: %d, want %d", c.name, ages[0], c.want)
		}
	}
}

// The program takes its time from the file.
func TestClockHook(t *testing.T) {
	p := newPlaces(t)
	clock, err := newWrongClock(p.clock)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{p.config: allSettings[0].toml(p, false), p.blocked: "", p.exceptions: ""} {
		if err := lab.ReplaceFile(file, text); err != nil {
			t.Fatal(err)
		}
	}
	d, err := start(p, withHook, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	if err := clock.set(10 * year); err != nil {
		t.Fatal(err)
	}
	if out, err := p.command(withHook, "pass", "203.0.113.7", "a@example.com", "b@example.org").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := d.end(); err != nil {
		t.Fatal(err)
	}
	rows, err := readRows(p.database)
	if err != nil {
		t.Fatal(err)
	}
	at := rows[[3]string{"203.0.113.7", "a@example.com", "b@example.org"}].at
	if ahead := at - time.Now().Unix(); ahead < 10*year-60 || ahead > 10*year {
		t.Errorf("passed at %d, which is %d s ahead", at, ahead)
	}
}
