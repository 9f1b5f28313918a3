package milter

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/d--j/go-milter"
)

// macroVerify is "OK" for a verified certificate. Only Sendmail has it.
const macroVerify milter.MacroName = "{verify}"

// macroClientResolve is "OK" for a client whose name is forward-confirmed. Only
// Sendmail has it.
const macroClientResolve milter.MacroName = "{client_resolve}"

// macrosRead are the macros that sessions read. An MTA that lets a milter choose
// sends those that it asks for and no others.
var macrosRead = map[milter.MacroStage][]milter.MacroName{
	milter.StageConnect: {milter.MacroMTAVersion, macroClientResolve},
	milter.StageHelo:    {macroVerify, milter.MacroCertSubject},
	milter.StageMail:    {milter.MacroQueueId, milter.MacroAuthAuthen, macroVerify, milter.MacroCertSubject},
	milter.StageRcpt:    {milter.MacroQueueId},
	milter.StageData:    {milter.MacroQueueId},
	milter.StageEOM:     {milter.MacroQueueId},
}

// macroNames are the names of all of these.
var macroNames = []milter.MacroName{milter.MacroMTAVersion, macroClientResolve, milter.MacroQueueId, milter.MacroAuthAuthen, macroVerify, milter.MacroCertSubject}

// maxMacro is how many octets of a macro's value are kept. A queue ID has fewer than
// 64; of the others only the beginning is read.
const maxMacro = 255

// keepMacros reduces a frame of macros to those that sessions read, each once and cut to
// maxMacro, because the library keeps all it gets. It returns nil for a stage at which no
// session reads any.
func keepMacros(frame []byte) []byte {
	data := frame[frameHeader+1:]
	switch data[0] {
	case cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdData, cmdBodyEnd:
	default:
		return nil
	}
	var kept [8][]byte // by index of macroNames; nil: was not sent
	for rest := data[1:]; len(rest) > 0; {
		var name, value []byte
		name, rest, _ = bytes.Cut(rest, []byte{0})
		value, rest, _ = bytes.Cut(rest, []byte{0})
		if i := slices.Index(macroNames, milter.MacroName(name)); i >= 0 {
			kept[i] = value[:min(len(value), maxMacro)]
			if value == nil { // the frame ends with the name
				kept[i] = []byte{}
			}
		}
	}
	out := make([]byte, frameHeader, min(len(frame)+1, 128))
	out = append(out, cmdMacro, data[0])
	for i, name := range macroNames {
		if kept[i] != nil {
			out = append(append(append(append(out, name...), 0), kept[i]...), 0)
		}
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-frameHeader))
	return out
}
