"""The controls that rules are evidence for. A rule supports a control; it never fulfils one."""

from __future__ import annotations

NIST = "NIST SP 800-53 rev. 5"
HIPAA = "HIPAA security rule, 45 CFR"
GDPR = "GDPR, regulation (EU) 2016/679"
DORA = "DORA, regulation (EU) 2022/2554"

CONTROLS: dict[str, tuple[str, str]] = {
    "AC-3": (NIST, "Access Enforcement"),
    "AC-4": (NIST, "Information Flow Enforcement"),
    "AC-6": (NIST, "Least Privilege"),
    "AU-2": (NIST, "Event Logging"),
    "AU-9(3)": (NIST, "Cryptographic Protection (of audit information)"),
    "AU-10": (NIST, "Non-repudiation"),
    "AU-11": (NIST, "Audit Record Retention"),
    "AU-12": (NIST, "Audit Record Generation"),
    "CM-2": (NIST, "Baseline Configuration"),
    "CM-3(2)": (NIST, "Testing, Validation, and Documentation of Changes"),
    "CM-6": (NIST, "Configuration Settings"),
    "CM-8": (NIST, "System Component Inventory"),
    "CP-9": (NIST, "System Backup"),
    "CP-10": (NIST, "System Recovery and Reconstitution"),
    "IA-5": (NIST, "Authenticator Management"),
    "RA-5": (NIST, "Vulnerability Monitoring and Scanning"),
    "SA-9": (NIST, "External System Services"),
    "SC-5": (NIST, "Denial-of-service Protection"),
    "SC-7(5)": (NIST, "Deny by Default - Allow by Exception"),
    "SC-7(21)": (NIST, "Isolation of System Components"),
    "SC-8(1)": (NIST, "Cryptographic Protection (of transmission)"),
    "SC-12": (NIST, "Cryptographic Key Establishment and Management"),
    "SC-13": (NIST, "Cryptographic Protection"),
    "SC-28(1)": (NIST, "Cryptographic Protection (at rest)"),
    "SI-4": (NIST, "System Monitoring"),
    "SI-7": (NIST, "Software, Firmware, and Information Integrity"),
    "SI-12": (NIST, "Information Management and Retention"),
    "SR-11": (NIST, "Component Authenticity"),
    "164.308(a)(7)(ii)(D)": (HIPAA, "Testing and revision procedures"),
    "164.312(a)(1)": (HIPAA, "Access control"),
    "164.312(a)(2)(i)": (HIPAA, "Unique user identification"),
    "164.312(a)(2)(iv)": (HIPAA, "Encryption and decryption"),
    "164.312(b)": (HIPAA, "Audit controls"),
    "164.312(c)(1)": (HIPAA, "Integrity"),
    "164.312(d)": (HIPAA, "Person or entity authentication"),
    "164.312(e)(1)": (HIPAA, "Transmission security"),
    "164.316(b)(2)(i)": (HIPAA, "Time limit of documentation"),
    "GDPR 5(1)(f)": (GDPR, "Integrity and confidentiality"),
    "GDPR 25": (GDPR, "Data protection by design and by default"),
    "GDPR 30": (GDPR, "Records of processing activities"),
    "GDPR 32": (GDPR, "Security of processing"),
    "GDPR 44": (GDPR, "General principle for transfers"),
    "DORA 8": (DORA, "Identification"),
    "DORA 9": (DORA, "Protection and prevention"),
    "DORA 10": (DORA, "Detection"),
    "DORA 11": (DORA, "Response and recovery"),
    "DORA 12": (DORA, "Backup policies and procedures, restoration and recovery"),
    "DORA 28": (DORA, "General principles of ICT third-party risk"),
}
"""For each control, the text that it stands in and its title there."""
