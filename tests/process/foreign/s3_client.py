"""What boto3 does with S3: `s3_client.py PORT`; prints what came back, by its digest."""

import hashlib
import io
import json
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MIB = 1 << 20
LARGE = bytes(range(256)) * (12 * MIB // 256)


class Unseekable(io.RawIOBase):
    """A stream that is read once, so that boto3 cannot know its length or digest before."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, target):
        return self.data.readinto(target)


def digest(client, key):
    """Return the digest of an object, read as it streams."""
    found = hashlib.sha256()
    for piece in client.get_object(Bucket="bucket", Key=key)["Body"].iter_chunks(65536):
        found.update(piece)
    return found.hexdigest()


def main(port):
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="small", Body=b"hello")
    client.put_object(Bucket="bucket", Key="large", Body=LARGE)  # Expect: 100-continue
    parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    client.upload_fileobj(Unseekable(LARGE), "bucket", "multipart", Config=parts)
    ranged = client.get_object(Bucket="bucket", Key="large", Range="bytes=256-511")["Body"].read()
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="bucket")["Contents"]]
    client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "small"}]})
    left = [entry["Key"] for entry in client.list_objects_v2(Bucket="bucket")["Contents"]]
    found = {"large": digest(client, "large"), "multipart": digest(client, "multipart")}
    expected = hashlib.sha256(LARGE).hexdigest()
    etag = client.head_object(Bucket="bucket", Key="multipart")["ETag"].strip('"')
    print(
        json.dumps(
            {
                "whole": [name for name, value in found.items() if value == expected],
                "range": ranged == bytes(range(256)),
                "keys": keys,
                "left": left,
                "parts": int(etag.partition("-")[2]),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
