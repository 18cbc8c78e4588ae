// The command line of viosim: verbs, no logic.
// SPDX-License-Identifier: Apache-2.0
int main() { return 0; }
