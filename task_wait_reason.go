package asyncio

// A waitReason names the thing that a task waits for, if that is not a future. Its text is part of
// a DeadlockError.
type waitReason uint8

const (
	waitSleep waitReason = iota + 1
	waitFutures
	waitTaskGroup
	waitLock
	waitEvent
	waitCondition
	waitSemaphore
	waitQueueValue
	waitQueueRoom
	waitDescriptor
	waitStreamData
	waitPeer
	waitStreamEnd
	waitServer
	waitServerEnd
	waitHandlersEnd
	waitDatagram
	waitDatagramRoom
	waitDatagramEnd
	waitConnTurn
	waitSocketRoom
	waitProcess
	waitProtocol
	waitReceive
	waitSend
	waitSelect
	waitNoChannel
	waitContext
	waitConnection
)

var waitReasons = [...]string{
	waitSleep:        "sleep",
	waitFutures:      "futures",
	waitTaskGroup:    "task group",
	waitLock:         "Lock",
	waitEvent:        "Event",
	waitCondition:    "Condition",
	waitSemaphore:    "Semaphore",
	waitQueueValue:   "a value in a Queue",
	waitQueueRoom:    "room in a Queue",
	waitDescriptor:   "descriptor",
	waitStreamData:   "data of a stream",
	waitPeer:         "a peer that reads",
	waitStreamEnd:    "the end of a stream",
	waitServer:       "a server",
	waitServerEnd:    "the end of a server",
	waitHandlersEnd:  "the end of a server's handlers",
	waitDatagram:     "a datagram",
	waitDatagramRoom: "room for datagrams",
	waitDatagramEnd:  "the end of a datagram endpoint",
	waitConnTurn:     "its turn to read from a Conn",
	waitSocketRoom:   "room in a socket",
	waitProcess:      "a process",
	waitProtocol:     "a protocol's ConnectionMade",
	waitReceive:      "a value from a channel",
	waitSend:         "a receiver of a channel",
	waitSelect:       "one of several channels",
	waitNoChannel:    "a nil channel",
	waitContext:      "the end of a context",
	waitConnection:   "a connection",
}

func (r waitReason) String() string { return waitReasons[r] }
