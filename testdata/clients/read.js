// Reads a terminal with somebody else's client and prints what that client understood.
//
//	node read.js 'CLIENT CARRIER' HOST PORT people|log
//
// The clients print on standard output too; the last line there is ours.
process.env.TZ = 'UTC' // a terminal's time has no zone

const [client, host, port, what] = process.argv.slice(2)
const timeout = 5000
const fingerRows = Buffer.from([1, 7, 0, 2, 0, 0, 0, 0, 0, 0, 0]) // none of the clients has a method for them

const line = {
  'node-zklib tcp': () => new (require('node-zklib'))(host, port, timeout, 0).zklibTcp,
  'node-zklib udp': () => new (require('node-zklib'))(host, port, timeout, 0).zklibUdp,
  'zkteco-js tcp': () => new (require('zkteco-js'))(host, port, timeout, 0).ztcp,
}[client]

async function connected() {
  const to = line()
  await to.createSocket()
  await to.connect()
  return to
}

function good({ data, err }) {
  if (err) throw err
  return data
}

// zklib has a connection for each question: it takes the end of one answer for the next.
function ask(method) {
  const zk = new (require('zklib'))({ ip: host, port: Number(port), inport: 1, timeout, attendanceParser: 'v6.60' })
  zk.inport = 0 // any port; it refuses to be told so
  return new Promise((resolve, reject) =>
    zk.connect((err) => (err ? reject(err) : zk[method]((err, data) => (err ? reject(err) : resolve(data))))))
}

async function people() {
  let users, fingers
  if (line) {
    const to = await connected()
    users = good(await to.getUsers())
    fingers = good(await to.readWithBuffer(fingerRows)).toString('hex')
  } else {
    users = await ask('getUser')
  }
  return {
    users: users.map((u) => ({ slot: u.uid, pin: String(u.userId ?? u.userid), name: u.name, privilege: u.role, card: u.cardno, password: u.password })),
    fingers,
  }
}

async function log() {
  const rows = line ? good(await (await connected()).getAttendances()) : await ask('getAttendance')
  return rows.map((p) => ({ pin: String(p.deviceUserId ?? p.user_id ?? p.uid), time: new Date(p.recordTime ?? p.record_time ?? p.timestamp) }))
}

const reading = what === 'log' ? log() : people()
reading.then(
  (told) => process.stdout.write('\n' + JSON.stringify(told), () => process.exit(0)),
  (err) => { console.error(err); process.exit(1) },
)
