"""A client of a sidecar, written with the official SDK.

Reads one JSON object from the first argument: what to call. Prints one JSON object: what came back. The ports of the
sidecar are in the variables that the SDK reads. It judges nothing; the Rust test beside it does.
"""

import json
import sys
import threading

import grpc
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._crypto import DecryptOptions, EncryptOptions
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, StateOptions
from dapr.clients.health import DaprHealth


def failure(call):
    try:
        call()
    except DaprGrpcError as error:
        return {"code": error.code().name, "reason": error.error_code()}
    except grpc.RpcError as error:
        return {"code": error.code().name}
    return None


def invoke(client, asked):
    response = client.invoke_method(
        asked["app"],
        asked["method"],
        data=asked["body"],
        content_type="text/plain",
        http_verb="POST",
        metadata=(("x-own", "1"),),
    )
    return {"text": response.text(), "content_type": response.content_type}


def state(client, store):
    first_write = StateOptions(concurrency=Concurrency.first_write)
    client.save_state(store, "key", json.dumps({"n": 1}), state_metadata={"contentType": "application/json"})
    saved = client.get_state(store, "key")
    stale = failure(lambda: client.save_state(store, "key", "2", etag="99999", options=first_write))
    client.save_state(store, "key", "2", etag=saved.etag, options=first_write)
    client.execute_state_transaction(
        store,
        [
            TransactionalStateOperation(key="made", data="in a transaction"),
            TransactionalStateOperation(key="key", operation_type=TransactionOperationType.delete),
        ],
    )
    bulk = client.get_bulk_state(store, ["made", "key"])
    client.delete_state(store, "made")
    return {
        "saved": saved.json(),
        "etag": bool(saved.etag),
        "stale": stale,
        "bulk": {item.key: item.text() for item in bulk.items},
        "deleted": client.get_state(store, "made").text(),
        "nowhere": failure(lambda: client.get_state("nowhere", "key")),
    }


def secrets(client, store):
    return {
        "one": dict(client.get_secret(store, "plain").secret),
        "bulk": {name: dict(values) for name, values in client.get_bulk_secret(store).secrets.items()},
        "nowhere": failure(lambda: client.get_secret("nowhere", "plain")),
    }


def crypto(client, provider):
    plain = bytes(range(256)) * 1000
    options = EncryptOptions(component_name=provider, key_name="aes256", key_wrap_algorithm="AES")
    sealed = client.encrypt(data=plain, options=options).read()
    opened = client.decrypt(data=sealed, options=DecryptOptions(component_name=provider)).read()
    spoilt = sealed[:-1] + bytes([sealed[-1] ^ 1])
    options = DecryptOptions(component_name=provider, key_name="aes256")
    return {
        "sealed": len(sealed),
        "opened": opened == plain,
        "spoilt": failure(lambda: client.decrypt(data=spoilt, options=options).read()),
    }


def metadata(client):
    client.set_metadata("set-by-python", "yes")
    told = client.get_metadata()
    return {
        "id": told.application_id,
        "set": told.extended_metadata.get("set-by-python"),
        "components": [component.name for component in told.registered_components],
    }


def stream(client, asked):
    """Subscribes by a stream, publishes, and takes what comes."""
    failed = []
    for _ in range(10):
        try:
            message = first_of_a_stream(client, asked)
        except Exception as error:
            # The SDK's writer asks whether its stream is on, and ends it when that is asked too early.
            failed.append(str(error))
            continue
        # No message comes when the SDK has subscribed again by itself after such an end.
        if message is not None:
            return {"data": message.data(), "topic": message.topic(), "broker": message.pubsub_name()}
    raise RuntimeError(f"no message in ten streams: {failed}")


def first_of_a_stream(client, asked):
    subscription = client.subscribe(pubsub_name=asked["broker"], topic=asked["topic"])
    publish = threading.Thread(target=lambda: publish_event(client, asked))
    publish.start()
    try:
        message = subscription.next_message()
        if message is not None:
            subscription.respond_success(message)
    finally:
        publish.join()
        subscription.close()
    return message


def publish_event(client, asked):
    client.publish_event(asked["broker"], asked["topic"], json.dumps(asked["data"]), data_content_type="application/json")


def main():
    asked = json.loads(sys.argv[1])
    DaprHealth.wait_for_sidecar()
    with DaprClient() as client:
        answer = {}
        if "invoke" in asked:
            answer["invoke"] = invoke(client, asked["invoke"])
        if "state" in asked:
            answer["state"] = state(client, asked["state"])
        if "secrets" in asked:
            answer["secrets"] = secrets(client, asked["secrets"])
        if "crypto" in asked:
            answer["crypto"] = crypto(client, asked["crypto"])
        if "stream" in asked:
            answer["stream"] = stream(client, asked["stream"])
        if "publish" in asked:
            publish_event(client, asked["publish"])
            answer["publish"] = True
        if "metadata" in asked:
            answer["metadata"] = metadata(client)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
