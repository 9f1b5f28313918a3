package chaos

import (
	"maps"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"greyglass/e2e/lab"
)

var changeDeeds = []deed{
	{2, (*injector).reload},
	{1, (*injector).reloadBroken},
	{3, (*injector).editList},
	{1, (*injector).breakList},
	{6, (*injector).pass},
	{6, (*injector).forget},
	{1, (*injector).expire},
	{1, (*injector).backup},
	{3, (*injector).look},
}

// soon is how long a change may take to have an effect, on a busy machine.
const soon = 5 * time.Second

// reload gives the daemon another configuration.
func (i *injector) reload(r *rand.Rand) { i.reloadTo(allSettings[r.IntN(len(allSettings))]) }

func (i *injector) reloadTo(s *settings) {
	i.config.Lock()
	defer i.config.Unlock()
	i.weather.count("SIGHUP")
	done := i.inForce.change(regime{s, i.inForce.present().lists})
	defer done()
	i.hangUp(s.toml(i.places, false), "configuration reloaded")
}

// reloadBroken gives it one that it must not take.
func (i *injector) reloadBroken(*rand.Rand) {
	i.config.Lock()
	defer i.config.Unlock()
	i.weather.count("broken SIGHUP")
	s := i.inForce.present().settings
	i.hangUp(s.toml(i.places, true), "reload failed; keeping the current configuration")
	i.check(lab.ReplaceFile(i.places.config, s.toml(i.places, false)))
}

func (i *injector) hangUp(text, msg string) {
	i.check(lab.ReplaceFile(i.places.config, text))
	d := i.daemon()
	n := d.log.count(msg)
	d.signal(syscall.SIGHUP)
	i.effect(d, "SIGHUP", msg, n, soon)
}

// effect waits for a line of the log that must come soon, while the daemon runs.
// One that was told to end makes no changes any more.
func (i *injector) effect(d *daemon, of, msg string, n int, within time.Duration) {
	began := time.Now()
	for !d.log.wait(msg, n, within, d.ended) && d.alive() {
		if d.ending.Load() != 0 {
			<-d.ended
			return
		}
		if !i.weather.felt(began, time.Now(), stopped) {
			i.wrong(nil, "%s has had no effect within %v", of, within)
			return
		}
	}
}

// editList adds something to a list, or removes it.
func (i *injector) editList(r *rand.Rand) {
	i.config.Lock()
	defer i.config.Unlock()
	i.weather.count("list edits")
	present := i.inForce.present()
	edited := &lists{maps.Clone(present.blocked), maps.Clone(present.exceptions)}
	file, content := i.places.blocked, ""
	if r.IntN(2) == 0 {
		toggle(edited.blocked, blockable[r.IntN(len(blockable))])
		content = edited.blockedText()
	} else {
		toggle(edited.exceptions, locals[r.IntN(len(locals))])
		file, content = i.places.exceptions, edited.exceptionsText()
	}
	done := i.inForce.change(regime{present.settings, edited})
	defer done()
	i.save(r, file, content, "list reloaded")
}

func toggle(list map[string]bool, entry string) {
	if list[entry] {
		delete(list, entry)
	} else {
		list[entry] = true
	}
}

// breakList makes an edit that the daemon must not take, and corrects it.
func (i *injector) breakList(r *rand.Rand) {
	i.config.Lock()
	defer i.config.Unlock()
	i.weather.count("broken list edits")
	present := i.inForce.present()
	good := present.blockedText()
	i.save(r, i.places.blocked, "@good.example\nthis is no address\n", "cannot read the list; keeping the previous one")
	i.save(r, i.places.blocked, good, "list reloaded")
}

// save writes a list as editors do, in either way, and waits until the daemon
// says what it has made of it.
func (i *injector) save(r *rand.Rand, file, content, msg string) {
	d := i.daemon()
	n := d.log.count(msg)
	if r.IntN(2) == 0 {
		i.check(lab.ReplaceFile(file, content))
	} else {
		i.check(os.WriteFile(file, []byte(content), 0o644))
	}
	i.effect(d, "an edit of a list", msg, n, soon)
	time.Sleep(100 * time.Millisecond) // it says so, and then does it
}

func (i *injector) check(err error) {
	if err != nil {
		i.t.Error(err)
	}
}
