package clock

// eventStepped is logged once a step, by the next reader of the clock.
const eventStepped = "clock stepped; compensating, expiry paused"
