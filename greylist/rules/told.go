package rules

import (
	"fmt"
	"strconv"
)

// told wraps the function of a fact so that it calls f.told with each value.
func told[T any](name string, get func(*Facts) T) func(*Facts) T {
	return func(f *Facts) T {
		value := get(f)
		if f.told != nil && name == "spf" {
			f.told(name, f.SPF(f.ctx).String()) // with the record that matched
		} else if f.told != nil {
			f.tell(name, value)
		}
		return value
	}
}

func (f *Facts) tell(name string, value any) {
	if s, ok := value.(string); ok {
		value = strconv.Quote(s)
	}
	f.told(name, fmt.Sprint(value))
}
