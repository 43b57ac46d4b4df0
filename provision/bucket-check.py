import boto3
import cfnresponse
from botocore.exceptions import ClientError


def faults_of(s3, bucket):
    faults = []
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        faults.append("versioning is not enabled, which S3 Files requires")
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    rules = [rule for rule in rules if rule["Status"] == "Enabled"]
    if not any("NoncurrentVersionExpiration" in rule for rule in rules):
        faults.append("no lifecycle rule expires noncurrent versions")
    if not any(rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") for rule in rules):
        faults.append("no lifecycle rule removes expired object delete markers")
    if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
        faults.append("no lifecycle rule aborts incomplete multipart uploads")
    try:
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchPublicAccessBlockConfiguration":
            raise
        block = {}
    if not block or not all(block.values()):
        faults.append("public access is not blocked")
    return faults


def handler(event, context):
    bucket = event["ResourceProperties"]["bucketName"]
    try:
        # Deleting the stack asks nothing of the bucket.
        faults = [] if event["RequestType"] == "Delete" else faults_of(boto3.client("s3"), bucket)
        reason = f"bucket {bucket}: " + "; ".join(faults) if faults else "ready"
        status = cfnresponse.FAILED if faults else cfnresponse.SUCCESS
    except Exception as error:  # an unanswered custom resource blocks the stack for an hour
        status, reason = cfnresponse.FAILED, f"bucket {bucket}: {error}"
    print(reason)
    cfnresponse.send(event, context, status, {}, f"check-{bucket}", reason=reason)
