package asyncio

var KillProcess = killProcess
