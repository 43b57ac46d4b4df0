import json

import boto3
import cfnresponse
from botocore.exceptions import ClientError

def found(call, missing, **asked):
    try:
        return call(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] != missing:
            raise
        return {}


def scope_of(rule):
    scope = rule.get("Filter", rule)
    return scope.get("And", scope)


def covers(rule, prefix, narrower=("Tag", "Tags", "ObjectSizeGreaterThan", "ObjectSizeLessThan")):
    scope = scope_of(rule)
    narrow = set(scope) & set(narrower)
    return rule["Status"] == "Enabled" and not narrow and prefix.startswith(scope.get("Prefix", ""))


def takes_away(rule):
    expires = {"Days", "Date"} & set(rule.get("Expiration", {}))
    classes = {move.get("StorageClass") for move in rule.get("Transitions", [])}
    return expires or classes & {"GLACIER", "DEEP_ARCHIVE"}


def many(value):
    return value if isinstance(value, list) else [value]


def refuses_plain_http(statement, arn):
    condition = statement.get("Condition", {})
    asked = condition.get("Bool", {})
    resources = set(many(statement.get("Resource")))
    return (
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and not {"s3:*", "*"}.isdisjoint(many(statement.get("Action")))
        and ("*" in resources or {arn, arn + "/*"} <= resources)
        and list(condition) == ["Bool"]
        and list(asked) == ["aws:SecureTransport"]
        and [str(value).lower() for value in many(asked["aws:SecureTransport"])] == ["false"]
    )


def is_same_key(used, arn):
    if "alias/" not in used:
        return used in (arn, arn.split("/")[-1])
    try:
        return boto3.client("kms").describe_key(KeyId=used)["KeyMetadata"]["Arn"] == arn
    except ClientError:  # the role may look at the stack's key only
        return False


def faults_of(s3, bucketName, bucketArn, prefix, kmsKeyArn, **_):
    faults = []
    if s3.get_bucket_versioning(Bucket=bucketName).get("Status") != "Enabled":
        faults.append("versioning is not enabled, which S3 Files requires")
    answer = found(s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration", Bucket=bucketName)
    every = answer.get("Rules", [])
    rules = [rule for rule in every if covers(rule, prefix)]
    if not any("NoncurrentVersionExpiration" in rule for rule in rules):
        faults.append("no lifecycle rule expires noncurrent versions")
    if not any(rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") for rule in rules):
        faults.append("no lifecycle rule removes expired object delete markers")
    if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
        faults.append("no lifecycle rule aborts incomplete multipart uploads")
    for rule in every:
        if takes_away(rule) and covers(rule, prefix, ("Tag", "Tags")):
            name = rule.get("ID", "without ID")
            faults.append(f"lifecycle rule {name} expires or archives current objects: partners' files")
    answer = found(s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", Bucket=bucketName)
    block = answer.get("PublicAccessBlockConfiguration", {})
    if not block or not all(block.values()):
        faults.append("public access is not blocked")
    policy = json.loads(found(s3.get_bucket_policy, "NoSuchBucketPolicy", Bucket=bucketName).get("Policy", "{}"))
    if not any(refuses_plain_http(each, bucketArn) for each in many(policy.get("Statement", []))):
        faults.append("no policy statement denies s3:* to all where aws:SecureTransport is false")
    rule = s3.get_bucket_encryption(Bucket=bucketName)["ServerSideEncryptionConfiguration"]["Rules"][0]
    used = rule["ApplyServerSideEncryptionByDefault"]
    if used["SSEAlgorithm"] not in ("AES256", "aws:kms"):
        faults.append("its encryption " + used["SSEAlgorithm"] + " is not one that S3 Files knows")
    key = used.get("KMSMasterKeyID", "alias/aws/s3")
    if not key.endswith("alias/aws/s3") and not (kmsKeyArn and is_same_key(key, kmsKeyArn)):
        faults.append(f"it is encrypted with {key}, kmsKey is {kmsKeyArn or 'not set'}: give the stack that key")
    return faults


def handler(event, context):
    asked = event["ResourceProperties"]
    bucket = asked["bucketName"]
    try:
        # Deleting the stack asks nothing of the bucket.
        faults = [] if event["RequestType"] == "Delete" else faults_of(boto3.client("s3"), **asked)
        reason = f"bucket {bucket}: " + "; ".join(faults) if faults else "ready"
        status = cfnresponse.FAILED if faults else cfnresponse.SUCCESS
    except Exception as error:  # an unanswered custom resource blocks the stack for an hour
        status, reason = cfnresponse.FAILED, f"bucket {bucket}: {error}"
    print(reason)
    cfnresponse.send(event, context, status, {}, f"check-{bucket}", reason=reason)
