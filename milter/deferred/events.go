package deferred

// eventTooMany is logged once a message.
const eventTooMany = "recipient limit reached (limits.recipients): the message has more recipients that are deferred to DATA; refusing further ones for now"
