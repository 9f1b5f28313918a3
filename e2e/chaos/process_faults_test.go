package chaos

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"time"
)

var processDeeds = []deed{
	{4, (*injector).crash},
	{2, (*injector).restart},
	{2, (*injector).stopAndGoOn},
	{4, (*injector).setClock},
	{2, (*injector).loseFile},
}

// crash kills the daemon, looks whether anything is lost, and starts it again.
func (i *injector) crash(r *rand.Rand) {
	end := i.weather.begin(killed)
	defer end()
	i.daemon().kill()
	i.gate.Lock()
	defer i.gate.Unlock()
	i.inspect()
	if r.IntN(4) == 0 {
		i.setClock(r)
	}
	if i.mounted && r.IntN(3) == 0 {
		i.startReadOnly(r)
	}
	i.start()
}

// restart ends the daemon in good order, and starts it again.
func (i *injector) restart(r *rand.Rand) {
	end := i.weather.begin(ended)
	defer end()
	i.finish()
	i.gate.Lock()
	defer i.gate.Unlock()
	i.inspect()
	if r.IntN(4) == 0 {
		i.setClock(r)
	}
	i.start()
}

// finish ends the daemon in good order.
func (i *injector) finish() {
	began := time.Now()
	took, err := i.daemon().end()
	switch {
	case err != nil && !i.weather.storeMayFail(began, time.Now()):
		i.wrong(nil, "after SIGTERM: %v", err)
	case took > 12*time.Second:
		i.wrong(nil, "after SIGTERM the daemon took %v to end", took)
	}
}

// inspect compares the database, while no daemon runs, with the model.
func (i *injector) inspect() {
	i.files.Lock()
	defer i.files.Unlock()
	if !i.holder.TryLock() {
		return // under a held lock the daemon is started at once
	}
	defer i.holder.Unlock()
	i.compare(i.places, i.people)
}

// start starts the daemon, again and again while a fault may keep it from
// starting.
func (i *injector) start() {
	i.config.Lock()
	defer i.config.Unlock()
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		tried := time.Now()
		d, err := start(i.places, withHook, i.clock.present())
		if err == nil {
			i.setDaemon(d)
			i.counts.restarts.Add(1)
			go i.watch(d)
			return
		}
		i.weather.count("failed starts")
		var exit *exec.ExitError
		const database = 75
		if !errors.As(err, &exit) || exit.ExitCode() != database || !i.weather.storeMayFail(tried, time.Now()) {
			i.wrong(nil, "the daemon does not start: %v", err)
		}
		if time.Since(began) > time.Minute {
			i.t.Fatalf("the daemon does not start within a minute: %v", err)
		}
	}
}

// watch sees to it that the daemon ends by us alone.
func (i *injector) watch(d *daemon) {
	<-d.ended
	if !d.killed.Load() && d.ending.Load() == 0 {
		i.wrong(nil, "the daemon has died: %v\n%s", d.cmd.ProcessState, d.log.tail())
	}
	for _, complaint := range d.log.complaints() {
		i.wrong(nil, "the log: %s\n%s", complaint, d.log.tail())
	}
}

// startReadOnly has the daemon try to start from a disk that is read-only.
func (i *injector) startReadOnly(r *rand.Rand) {
	i.files.Lock()
	defer i.files.Unlock()
	if !i.holder.TryLock() {
		return
	}
	defer i.holder.Unlock()
	if remount(i.places.disk, true) != nil {
		return // another fault is filling it
	}
	end := i.weather.begin(readOnly)
	defer end()
	i.config.Lock()
	d, err := start(i.places, withHook, i.clock.present())
	i.config.Unlock()
	if err == nil {
		i.weather.count("starts from a read-only disk")
		d.kill()
	}
	time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
	if err := remount(i.places.disk, false); err != nil {
		i.t.Errorf("remount: %v", err)
	}
}

// stopAndGoOn has the whole process pause, as a machine does that swaps or is moved.
func (i *injector) stopAndGoOn(r *rand.Rand) {
	end := i.weather.begin(stopped)
	defer end()
	d := i.daemon()
	d.signal(syscall.SIGSTOP)
	time.Sleep(time.Duration(100+r.IntN(4000)) * time.Millisecond)
	d.signal(syscall.SIGCONT)
}

const (
	hour = 3600
	year = 31536000
)

// setClock has the clock step, or go right again.
func (i *injector) setClock(r *rand.Rand) {
	i.weather.count("clock steps")
	steps := []int64{0, 0, hour, -hour, hour / 2, -hour / 2, 10 * year, -10 * year, 1.5 * hour}
	if err := i.clock.set(steps[r.IntN(len(steps))]); err != nil {
		i.t.Error(err)
	}
}
