package lab

import (
	"os/exec"
	"path/filepath"
	"syscall"
)

// Conf is the folder of the instance's configuration: main.cf and master.cf,
// sendmail.cf, or exim.conf.
func (i *Instance) Conf() string { return i.path("conf") }

// Run runs a command as on the instance's own machine: with its accounts and
// hosts, and the MTA's programs in PATH. It sets the command's environment.
func (i *Instance) Run(cmd *exec.Cmd) error {
	root := rootOf(i.MTA)
	cmd.Env = []string{
		"PATH=" + filepath.Join(root, "usr/sbin") + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C", "LD_LIBRARY_PATH=" + libraryPath(root),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := startPrivately(cmd, i.path("etc")); err != nil {
		return err
	}
	return cmd.Wait()
}
