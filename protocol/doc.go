// Package protocol is the contract between the agents in the offices and the
// hub at the agency: names, topics, the signed envelope, the messages in it and
// the canonical record of a punch with its hash chain.
//
// It knows no carrier (MQTT or a file), no storage and no clock. Whatever both
// sides must agree on to the byte stands here and in the golden files of
// testdata/messages; whatever one side may decide alone does not.
//
// Beware: a change of any byte that is signed or hashed needs a new Version.
package protocol

// Version is the version of the contract, in topics and envelopes.
const Version = 1
