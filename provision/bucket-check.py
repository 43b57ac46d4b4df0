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


def covers(rule, prefix):
    scope = rule.get("Filter", rule)
    narrow = set(scope) & {"Tag", "And", "ObjectSizeGreaterThan", "ObjectSizeLessThan"}
    return rule["Status"] == "Enabled" and not narrow and prefix.startswith(scope.get("Prefix", ""))


def many(value):
    return value if isinstance(value, list) else [value]


def refuses_plain_http(statement, arn):
    asked = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    resources = set(many(statement.get("Resource")))
    return (
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and not {"s3:*", "*"}.isdisjoint(many(statement.get("Action")))
        and ("*" in resources or {arn, arn + "/*"} <= resources)
        and [str(value).lower() for value in many(asked)] == ["false"]
    )


def faults_of(s3, bucketName, bucketArn, prefix, kmsKeyArn, **_):
    faults = []
    if s3.get_bucket_versioning(Bucket=bucketName).get("Status") != "Enabled":
        faults.append("versioning is not enabled, which S3 Files requires")
    answer = found(s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration", Bucket=bucketName)
    rules = [rule for rule in answer.get("Rules", []) if covers(rule, prefix)]
    if not any("NoncurrentVersionExpiration" in rule for rule in rules):
        faults.append("no lifecycle rule expires noncurrent versions")
    if not any(rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") for rule in rules):
        faults.append("no lifecycle rule removes expired object delete markers")
    if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
        faults.append("no lifecycle rule aborts incomplete multipart uploads")
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
    if used.get("KMSMasterKeyID") and not kmsKeyArn:
        faults.append("it is encrypted with " + used["KMSMasterKeyID"] + ": give the stack kmsKey")
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
