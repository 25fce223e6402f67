import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf, PilinkError, type PilinkErrorOptions, quoteValue } from "../protocol/errors.ts";

const pemMark = "-----BEGIN CERTIFICATE-----";

/**
 * Reads the certificates of the authorities that a broker's certificate may be signed by.
 *
 * @param ca the path of a PEM file, or its text
 * @returns the text
 * @throws PilinkError `bad-config` where it cannot be read or holds no certificate
 */
export function readAuthorities(ca: string): string {
  const isText = ca.includes(pemMark);
  const what = isText ? "The text in PILINK_CA" : `The file ${quoteValue(resolve(ca), 300)} in PILINK_CA`;
  try {
    const text = isText ? ca : readFileSync(ca, "utf8");
    // TLS itself would pass over what is no certificate, and then trust nobody.
    new X509Certificate(text);
    return text;
  } catch (cause) {
    throw new PilinkError(
      "bad-config",
      `${what} is no certificate that can be read: ${messageOf(cause)}. It has to be a PEM file that begins with ${pemMark}.`,
      { cause },
    );
  }
}

// What OpenSSL calls a certificate that leads to no authority that is trusted (X509_verify_cert_error_string).
const untrustedCodes = new Set([
  "CERT_REJECTED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "INVALID_CA",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/**
 * Says what is wrong with a broker's certificate, with the way out.
 *
 * @param error what the MQTT client reported
 * @param address the broker's address without credentials
 * @returns undefined if the certificate was not the reason
 */
export function explainCertificate(error: unknown, address: string): PilinkError | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code !== "string") return undefined;
  const fault = (what: string) => {
    const options: PilinkErrorOptions = { cause: error, value: address };
    return new PilinkError("broker-certificate", `The certificate of the broker ${address} ${what}`, options);
  };
  if (untrustedCodes.has(code)) {
    return fault(
      `is signed by no authority that is trusted here (${code}). Set PILINK_CA to the certificate of the authority that signed it, a PEM file; if PILINK_CA is set, it is that of another one.`,
    );
  }
  if (code === "CERT_HAS_EXPIRED") {
    return fault("has expired. Ask whoever runs the broker for a new one; if it is new, check this machine's clock.");
  }
  if (code === "CERT_NOT_YET_VALID") return fault("is not valid yet. Check this machine's clock, and the broker's.");
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return fault(
      `is for ${namesIn(error)}, and not for the host of that address. Use a name that it is for, or have it made for this one.`,
    );
  }
  return undefined;
}

/** The names in a certificate, as Node's error for a wrong one carries it (tls.checkServerIdentity). */
function namesIn(error: unknown): string {
  const cert = error instanceof Error && "cert" in error ? error.cert : undefined;
  if (typeof cert !== "object" || cert === null || !("subjectaltname" in cert)) return "another host";
  return quoteValue(cert.subjectaltname, 300);
}
