module github.com/go-asyncio/asyncio/bench

go 1.26.0

require (
	github.com/go-asyncio/asyncio v0.0.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/sync v0.24.0 // indirect

replace github.com/go-asyncio/asyncio => ../
