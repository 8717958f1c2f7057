// An app written with the official SDK, that keeps what topic `orders` brings. Arguments: its port, `http` or `grpc`, the
// port of its sidecar, and the file to keep it in, one JSON object a line.
"use strict";

const { appendFileSync } = require("node:fs");
const { DaprServer, CommunicationProtocolEnum } = require("@dapr/dapr");

async function main() {
  const [serverPort, protocol, daprPort, kept] = process.argv.slice(2);
  const communicationProtocol =
    protocol === "grpc" ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
  const server = new DaprServer({
    serverHost: "127.0.0.1",
    serverPort,
    communicationProtocol,
    clientOptions: { daprHost: "127.0.0.1", daprPort, communicationProtocol, logger: { level: "error" } },
    logger: { level: "error" },
  });
  await server.pubsub.subscribe("broker", "orders", async (data) => {
    appendFileSync(kept, JSON.stringify({ data }) + "\n");
  });
  await server.start();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
