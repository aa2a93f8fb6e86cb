"""File systems are encrypted with a key of the customer's."""

from stacks.policy.keys import customer_key
from stacks.policy.rule import Rule, Severity

PLACES = {
    "aws:fsx/lustreFileSystem:LustreFileSystem": ("kmsKeyId",),
    "aws:fsx/openZfsFileSystem:OpenZfsFileSystem": ("kmsKeyId",),
    "aws:fsx/ontapFileSystem:OntapFileSystem": ("kmsKeyId",),
    "aws:fsx/windowsFileSystem:WindowsFileSystem": ("kmsKeyId",),
    "aws:efs/fileSystem:FileSystem": ("kmsKeyId",),
}
SWITCHES: dict[str, tuple[str, object]] = {
    "aws:efs/fileSystem:FileSystem": ("encrypted", True),
}

RULE = Rule(
    name="customer-key-file-systems",
    description="Every FSx and EFS file system is encrypted with a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Set kmsKeyId to the ARN of a key; FSx for Lustre takes one in its persistent types.",
    types=frozenset(PLACES),
    check=customer_key(PLACES, SWITCHES),
)
