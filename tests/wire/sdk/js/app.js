// An app written with the official SDK: `echo` answers with what it was sent. Arguments: its port, `http` or `grpc`, and
// the port of its sidecar.
"use strict";

const { DaprServer, CommunicationProtocolEnum, HttpMethod } = require("@dapr/dapr");

async function main() {
  const [serverPort, protocol, daprPort] = process.argv.slice(2);
  const communicationProtocol =
    protocol === "grpc" ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
  const server = new DaprServer({
    serverHost: "127.0.0.1",
    serverPort,
    communicationProtocol,
    clientOptions: { daprHost: "127.0.0.1", daprPort, communicationProtocol, logger: { level: "error" } },
    logger: { level: "error" },
  });
  await server.invoker.listen("echo", async (data) => ({ js: "got", body: data.body }), { method: HttpMethod.POST });
  await server.start();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
