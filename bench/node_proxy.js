'use strict'
// The shortest reverse proxy with node-coap: every request is asked again of
// one origin.
//
//   node node_proxy.js NODE_MODULES PORT-OF-THE-ORIGIN    prints "ready: PORT"

const dgram = require('dgram')
const path = require('path')
const coap = require(path.resolve(process.argv[2], 'coap'))

const origin = Number(process.argv[3])
const socket = dgram.createSocket('udp4')
const server = coap.createServer((req, res) => {
    const up = coap.request({
        host: '127.0.0.1',
        port: origin,
        method: req.method,
        pathname: req.url,
        confirmable: req._packet.confirmable
    })
    up.on('response', (found) => {
        res.code = found.code
        res.end(found.payload)
    })
    up.on('error', () => {
        res.code = '5.04'
        res.end()
    })
    up.end(req.payload.length > 0 ? req.payload : undefined)
})
socket.bind(0, '127.0.0.1', () => {
    const { port } = socket.address()
    server.listen(socket, () => console.log(`ready: ${port}`))
})
