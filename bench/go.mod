module github.com/go-asyncio/asyncio/bench

go 1.26.0

require github.com/go-asyncio/asyncio v0.0.0

replace github.com/go-asyncio/asyncio => ../
