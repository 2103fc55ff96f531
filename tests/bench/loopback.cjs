// The gateway has no option for its address: whatever it listens on is moved to loopback.
const { Server } = require('node:net')

const listen = Server.prototype.listen
Server.prototype.listen = function (where, ...rest) {
  const options = where !== null && typeof where === 'object' ? where : { port: Number(where) }
  const ready = rest.find((argument) => typeof argument === 'function')
  return listen.call(this, { ...options, host: '127.0.0.1' }, ready)
}
