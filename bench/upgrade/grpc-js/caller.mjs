// Calls the bench's service with @grpc/grpc-js until SIGTERM; does what ../caller.py does.
// Its one argument is the same JSON; a line for each call goes to standard output.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const plan = JSON.parse(process.argv[2]);
const service = loader.loadSync(plan.proto)["saudacao.v1.SaudacaoService"];
const { requestSerialize, responseDeserialize } = service.Saudar;
const credentials = grpc.credentials.createSsl(
  ...[plan.ca_file, plan.key_file, plan.certificate_file].map((path) => readFileSync(path)),
);
const options = {
  "grpc.ssl_target_name_override": plan.server_name,
  "grpc.use_local_subchannel_pool": 1,
};
const connect = () => new grpc.Client(plan.endpoint, credentials, options);
const now = () => (performance.timeOrigin + performance.now()) / 1000;
const timers = new Set();
let open = 0;
let number = 0;
let stopped = false;

function call(kind, client, close) {
  const wait = Math.random() < plan.slow_share ? Math.random() * 2 : 0;
  const nome = wait ? wait.toFixed(3) : `js ${number++}`;
  const path = wait ? plan.slow_method : plan.method;
  const began = now();
  const deadline = new Date(Date.now() + plan.timeout * 1000);
  open += 1;
  client.makeUnaryRequest(
    path, requestSerialize, responseDeserialize, { nome }, new grpc.Metadata(), { deadline },
    (error, reply) => {
      const seconds = now() - began;
      const right = !error && reply.texto === `Olá, ${nome}!`;
      const status = error ? grpc.status[error.code] : right ? "OK" : "WRONG";
      const record = [`js ${kind}`, began, seconds, wait && Number(nome), status];
      process.stdout.write(`${JSON.stringify([...record, error ? error.details : ""])}\n`);
      close();
      open -= 1;
      leave();
    },
  );
}

function every(rate, act) {
  if (!rate) return;
  const started = performance.now();
  let turn = 0;
  const next = () => {
    const due = started + ((turn++ + Math.random()) * 1000) / rate;
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
      next();
    }, Math.max(0, due - performance.now()));
    timers.add(timer);
  };
  next();
}

function leave() {
  if (stopped && open === 0) process.exit(0);
}

const kept = Array.from({ length: plan.connections }, connect);
every(plan.persistent, () => call("persistent", kept[number % kept.length], () => {}));
every(plan.fresh, () => {
  const client = connect();
  call("fresh", client, () => client.close());
});
process.on("SIGTERM", () => {
  stopped = true;
  timers.forEach(clearTimeout);
  leave();
});
