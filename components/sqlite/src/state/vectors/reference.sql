-- What the reference (dapr/dapr d8450742, built from source) wrote into a new state.sqlite file: saved over HTTP (json,
-- text, ttl, null), over gRPC (bytes, plain, empty, and grpc-json with contentType application/json), and in transactions
-- over gRPC (tx, tx-ttl) and HTTP (http-tx, http-text). Recorded with `sqlite3 FILE .dump`; the tables' texts are the
-- reference's to the byte.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE metadata (
			key text NOT NULL PRIMARY KEY,
			value text NOT NULL
		);
INSERT INTO metadata VALUES('migrations','1');
CREATE TABLE state (
							key TEXT NOT NULL PRIMARY KEY,
							value TEXT NOT NULL,
							is_binary BOOLEAN NOT NULL,
							etag TEXT NOT NULL,
							expiration_time TIMESTAMP DEFAULT NULL,
							update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
						);
INSERT INTO state VALUES('ref||null','null',0,'d5ad9c6a-ec17-4694-b43c-7f498763b6a5',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||json','{"a":[1.5,"\u003cx\u003e"],"b":1}',0,'4b76b17a-de1e-4eaa-adef-8035dcb25f9d',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||ttl','1',0,'210966dc-f798-4895-9f71-93ae07220867','2090-04-12 00:58:54','2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||text','"grüß"',0,'8d7b3f50-8276-465b-a8bf-6cc9fb7976e0',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||plain','aGVsbG8=',1,'0be73509-0fde-459f-b914-76771a50f8a7',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||grpc-json','{"y":[2],"z":1}',0,'0bb67473-63c4-4b8f-8563-1b884dcb1db2',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||bytes','AP8B',1,'2d59d5b7-e6e0-4d3f-98f4-5a13bb89c04c',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||empty','',1,'6c48a5ba-eb18-452e-a484-8eb05e6af10d',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||tx','eyJ0IjoxfQ==',1,'493eb9d7-3905-47a1-bcad-28cf4433db67',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||tx-ttl','Nw==',1,'b20a16a0-13eb-40a0-ad4a-f2c5985f22f9','2090-04-12 00:58:54','2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||http-tx','{"q":[1]}',0,'3728e1d2-8057-4776-ab56-9b9276dcb160',NULL,'2026-11-25 21:25:34');
INSERT INTO state VALUES('ref||http-text','"x"',0,'e9795d0f-9db9-419b-a7c9-d384ea400020',NULL,'2026-11-25 21:25:34');
COMMIT;
