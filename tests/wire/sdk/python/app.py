"""A gRPC app written with the official SDK: `echo` answers with what it was sent and by whom. First argument: its port."""

import sys

from dapr.ext.grpc import App, InvokeMethodRequest, InvokeMethodResponse

app = App()


@app.method(name="echo")
def echo(request: InvokeMethodRequest) -> InvokeMethodResponse:
    caller = request.metadata.get("dapr-caller-app-id", [""])[0]
    answer = f"python got {request.text()} from {caller}"
    return InvokeMethodResponse(answer, "text/plain; charset=UTF-8")


app.run(int(sys.argv[1]), listen_address="127.0.0.1")
