'use strict'
// node-coap as the system tests use it; see test_node.py.
//
//   node peer.js server       prints "port N"; keeps what is PUT to a path; a
//                             GET with the query "wait" is answered by that
//                             PUT, one with "etag" has Max-Age 1 and an ETag;
//                             prints "sent" or, when it is valid, "validated"
//   node peer.js client PORT  a request per line of JSON on standard input, an
//                             answer per line on standard output; those of
//                             one line, an array, are under way at once

const coap = require('coap')
const crypto = require('crypto')
const dgram = require('dgram')
const readline = require('readline')

function validate (req, res, found) {
    // node-coap's ETags are strings.
    const etag = crypto.createHash('sha256').update(found).digest('hex')
        .slice(0, 8)
    const valid = req.options.some(
        (o) => o.name === 'ETag' && o.value === etag)
    res.setOption('ETag', etag)
    res.setOption('Max-Age', 1)
    console.log(valid ? 'validated' : 'sent')
    if (!valid) {
        return res.end(found)
    }
    res.code = '2.03'
    return res.end()
}

function serve () {
    const kept = new Map()
    const waiting = new Map()
    const methods = {
        GET (req, res) {
            const [path, query] = req.url.split('?')
            const found = kept.get(path)
            if (query === 'wait' && found === undefined) {
                waiting.set(path, res)
                return res
            }
            if (found === undefined) {
                res.code = '4.04'
            }
            if (query === 'etag' && found !== undefined) {
                return validate(req, res, found)
            }
            return res.end(found)
        },
        PUT (req, res) {
            res.code = kept.has(req.url) ? '2.04' : '2.01'
            kept.set(req.url, req.payload)
            if (waiting.has(req.url)) {
                waiting.get(req.url).end(req.payload)
                waiting.delete(req.url)
            }
            return res.end()
        },
        POST (req, res) {
            const path = `${req.url}/${kept.size}`
            kept.set(path, req.payload)
            res.code = '2.01'
            const segments = path.split('/').slice(1)
            res.setOption('Location-Path', segments.map((s) => Buffer.from(s)))
            return res.end()
        },
        DELETE (req, res) {
            kept.delete(req.url)
            res.code = '2.02'
            return res.end()
        }
    }
    const socket = dgram.createSocket('udp4')
    const server = coap.createServer((req, res) => {
        if (req.headers.Observe === 0) {
            return res.write('observed')    // stays open
        }
        if (!methods[req.method]) {
            res.code = '4.05'
            return res.end()
        }
        return methods[req.method](req, res)
    })
    socket.bind(0, '127.0.0.1', () => {
        const { port } = socket.address()
        server.listen(socket, () => console.log(`port ${port}`))
    })
}

function optionsOf (wanted) {
    const options = {}
    if (wanted.block1 !== undefined) {
        options.Block1 = Buffer.from([wanted.block1])
    }
    if (wanted.uriHost !== undefined) {
        options['Uri-Host'] = Buffer.from(wanted.uriHost)
        options['Uri-Port'] = Buffer.from([wanted.uriPort >> 8,
            wanted.uriPort & 255])
    }
    return options
}

function ask (agent, port, wanted) {
    return new Promise((resolve) => {
        const req = coap.request({
            agent,
            host: '127.0.0.1',
            port,
            method: wanted.method,
            pathname: wanted.path,
            observe: wanted.observe,
            proxyUri: wanted.proxyUri,
            options: optionsOf(wanted)
        })
        req.on('error', (error) => resolve({ error: String(error) }))
        req.on('timeout', () => resolve({ error: 'timeout' }))
        req.on('response', (res) => {
            const answer = {
                code: res.code,
                options: res.options.map((o) => o.name),
                location: res.options.filter((o) => o.name === 'Location-Path')
                    .map((o) => `/${o.value}`).join(''),
                text: res.payload.toString()
            }
            if (wanted.observe) {
                res.close()
            }
            resolve(answer)
        })
        req.end(wanted.text && Buffer.from(wanted.text))
    })
}

async function request (port) {
    const agent = new coap.Agent({ type: 'udp4' })
    for await (const line of readline.createInterface(process.stdin)) {
        const answers = await Promise.all(
            JSON.parse(line).map((wanted) => ask(agent, port, wanted)))
        console.log(JSON.stringify(answers))
    }
    process.exit(0)
}

if (process.argv[2] === 'server') {
    serve()
} else {
    request(Number(process.argv[3]))
}
