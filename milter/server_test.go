package milter

import (
	"testing"
	"testing/synctest"
	"time"

	"greyglass/milter/mtatest"
)

// Until the grace ends, an MTA may also begin another SMTP session on its connection.
func TestShutdownServesAnotherSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t)
		m := h.MTA(t).Greet()
		done := h.Shutdown(t.Context(), time.Minute)
		synctest.Wait()
		m.QuitNC()
		m.Greet().Mail("a@example.net")
		if got := m.Rcpt("me@example.org"); got != mtatest.Greylisted {
			t.Errorf("answer %q", got)
		}
		m.Quit()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
