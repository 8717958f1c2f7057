"""A gRPC app written with the official SDK, that keeps what topic `orders` brings. Arguments: its port, and the file to keep
it in, one JSON object a line."""

import json
import sys

from cloudevents.sdk.event import v1
from dapr.clients.grpc._response import TopicEventResponse
from dapr.ext.grpc import App

app = App()


@app.subscribe(pubsub_name="broker", topic="orders")
def orders(event: v1.Event) -> TopicEventResponse:
    with open(sys.argv[2], "a", encoding="utf-8") as kept:
        kept.write(json.dumps({"topic": event.Subject(), "data": json.loads(event.Data())}) + "\n")
    return TopicEventResponse("success")


app.run(int(sys.argv[1]), listen_address="127.0.0.1")
