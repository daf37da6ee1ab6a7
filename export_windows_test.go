package asyncio

var (
	KillProcess   = killProcess
	PortableError = portableError
)
