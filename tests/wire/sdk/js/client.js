// A client of a sidecar, written with the official SDK.
// Reads one JSON object from the first argument: where the sidecar is and what to call. Prints one JSON object: what came
// back. It judges nothing; the Rust test beside it does.
"use strict";

const { DaprClient, CommunicationProtocolEnum, HttpMethod, StateConcurrencyEnum } = require("@dapr/dapr");

async function failure(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return String(error.message);
  }
}

async function state(client, store) {
  await client.state.save(store, [{ key: "key", value: { n: 1 } }, { key: "other", value: "text" }]);
  const saved = await client.state.get(store, "key");
  const bulk = await client.state.getBulk(store, ["key", "other"]);
  const options = { concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE };
  // Over HTTP the SDK returns the error, over gRPC it throws it.
  const stale = await client.state.save(store, [{ key: "key", value: 2, etag: "99999", options }]).catch((error) => ({ error }));
  await client.state.transaction(store, [
    { operation: "upsert", request: { key: "made", value: "in a transaction" } },
    { operation: "delete", request: { key: "key" } },
  ]);
  const made = await client.state.get(store, "made");
  const gone = await client.state.get(store, "key");
  await client.state.delete(store, "made");
  return {
    saved,
    bulk: bulk.map((item) => item.key).sort(),
    stale: stale.error !== undefined,
    made,
    gone,
    deleted: await client.state.get(store, "made"),
  };
}

async function main() {
  const asked = JSON.parse(process.argv[2]);
  const communicationProtocol = asked.grpcPort ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
  const daprPort = String(asked.grpcPort || asked.httpPort);
  const client = new DaprClient({ daprHost: "127.0.0.1", daprPort, communicationProtocol, logger: { level: "error" } });
  await client.start();
  const answer = { healthy: await client.health.isHealthy() };
  if (asked.invoke) {
    const { app, method, body } = asked.invoke;
    answer.invoke = await client.invoker.invoke(app, method, HttpMethod.POST, body);
    answer.nobody = await failure(() => client.invoker.invoke("nobody", method, HttpMethod.POST, body));
  }
  if (asked.publish) {
    const { broker, topic, data } = asked.publish;
    const told = await client.pubsub.publish(broker, topic, data);
    answer.publish = told === undefined || told.error === undefined;
  }
  if (asked.state) {
    answer.state = await state(client, asked.state);
  }
  if (asked.secrets) {
    answer.secret = await client.secret.get(asked.secrets, "plain");
    answer.secrets = await client.secret.getBulk(asked.secrets);
  }
  if (asked.metadata) {
    answer.set = await client.metadata.set("set-by-js", "yes");
    const told = await client.metadata.get();
    answer.metadata = { id: told.id, set: (told.extended || {})["set-by-js"] };
  }
  await client.stop();
  process.stdout.write(JSON.stringify(answer) + "\n", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
