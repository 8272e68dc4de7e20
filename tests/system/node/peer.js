'use strict'
// node-coap as the system tests use it; see test_node.py.
//
//   node peer.js server [AGE] prints "port N"; keeps what is PUT to a path; a
//                             GET with the query "wait" is answered by that
//                             PUT, one with "etag" has Max-Age 1 and an ETag;
//                             prints "sent" or, when it is valid, "validated";
//                             who observes a path is told what is PUT there;
//                             prints "observed PATH", "deregistered PATH", for
//                             which node-coap does nothing, and "ended PATH";
//                             AGE is the Max-Age of what is observed
//   node peer.js client PORT  a request per line of JSON on standard input, an
//                             answer per line on standard output; those of
//                             one line, an array, are under way at once
//   node peer.js observers
//                             a command per line of JSON: {"open": N, "port":
//                             PORT, ...}, a request to observe, as number N,
//                             from a socket of its own; {"leave": N}, with
//                             Observe 1; {"close": N}, without a word; prints
//                             "N CODE KIND TEXT" for what number N is told,
//                             KIND is plain (a first answer without Observe),
//                             taken, or left (by node-coap: out of order)

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

function observe (req, res, found, watching, age) {
    const [path] = req.url.split('?')
    if (found === undefined) {
        res.statusCode = '4.04'
        return res.end()
    }
    watching.add({ path, res })
    res.on('finish', () => {
        watching.forEach((w) => w.res === res && watching.delete(w))
        console.log(`ended ${path}`)
    })
    console.log(`observed ${path}`)
    if (age !== undefined) {
        res.setOption('Max-Age', age)
    }
    return res.write(found)
}

function serve (age) {
    const kept = new Map()
    const waiting = new Map()
    const watching = new Set()
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
            watching.forEach((w) => w.path === req.url &&
                w.res.write(req.payload))
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
            const found = kept.get(req.url.split('?')[0])
            return observe(req, res, found, watching, age)
        }
        if (req.headers.Observe === 1) {
            console.log(`deregistered ${req.url}`)  // and goes on observing
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

function newRequest (agent, port, wanted) {
    return coap.request({
        agent,
        host: '127.0.0.1',
        port,
        method: wanted.method,
        pathname: wanted.path,
        observe: wanted.observe,
        proxyUri: wanted.proxyUri,
        options: optionsOf(wanted)
    })
}

function ask (agent, port, wanted) {
    return new Promise((resolve) => {
        const req = newRequest(agent, port, wanted)
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

// Prints what the stream RES of observer NUMBER is given, before and after it
// has looked at the order.
function listen (number, res) {
    const print = (packet, kind) => console.log(
        `${number} ${packet.code} ${kind} ${packet.payload}`)
    print(res, res.headers.Observe === undefined ? 'plain' : 'taken')
    if (res.append === undefined) {
        return
    }
    const append = res.append
    res.append = function (packet) {
        append.call(res, packet)
        print(packet, res.lastMessageId === packet.messageId ? 'taken' : 'left')
    }
    res.resume()
}

async function observers () {
    const open = new Map()
    for await (const line of readline.createInterface(process.stdin)) {
        const command = JSON.parse(line)
        if (command.open !== undefined) {
            const socket = dgram.createSocket('udp4')
            const agent = new coap.Agent({ socket })
            const req = newRequest(agent, command.port,
                { ...command, observe: true })
            req.on('error', (error) => console.log(`${command.open} ${error}`))
            req.on('response', (res) => {
                open.set(command.open, res)
                listen(command.open, res)
            })
            req.end()
        } else if (command.leave !== undefined) {
            open.get(command.leave).close(true)
        } else {
            open.get(command.close).close()
        }
    }
    process.exit(0)
}

if (process.argv[2] === 'server') {
    serve(process.argv[3])
} else if (process.argv[2] === 'observers') {
    observers()
} else {
    request(Number(process.argv[3]))
}
