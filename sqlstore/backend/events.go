package backend

const eventPanic = "panic in a change of the database; this is a bug, please report it"
