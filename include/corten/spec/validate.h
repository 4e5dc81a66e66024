// The rules of the runtime-spec that types alone do not express: one rule, one function, one test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/spec/config.h>

namespace corten::spec {

// What the rules need to know beside the file.
struct ValidateOptions {
  // False for `create` without `process`, which is legal (RT-042: only start fails).
  bool require_process = false;
};

// Checks every author MUST and every value range of config.md and config-linux.md.
// Pure. Errors: InvalidSpec with the JSON pointer; all problems in one error, the first one leads.
Result<> validate(const Spec& spec, const ValidateOptions& options = {});

// The rules for a process alone (exec); pointers start at the process: "/cwd".
Result<> validate_process(const Process& process);

// The rules for resources alone (update); pointers start at the resources: "/cpu/idle".
Result<> validate_resources(const Resources& resources);

// parse and validate in one: errors of both kinds name the line. What create, run and exec use.
// document: what errors call the file.
Result<Spec> load(std::string_view json,
                  const ValidateOptions& options = {},
                  std::string_view document = "config.json");
Result<Process> load_process(std::string_view json);
Result<Resources> load_resources(std::string_view json);

// Puts "<document> line 7: " in front of an error about a place in `json`, a text that load() has
// accepted: its pointer(), or the pointer that its message begins with. Other errors stay as they
// are. For what is only found out later, by the plan or by the kernel.
Error locate(Error error, std::string_view json, std::string_view document);

// "net.ipv4.conf.eth0/1.forwarding" or "net/ipv4/conf/eth0.1/forwarding" -> the path below
// /proc/sys, "net/ipv4/conf/eth0.1/forwarding". The first separator in the name decides which of
// the two stands for itself (sysctl(8)). Errors: InvalidSpec for empty parts, "..", and control
// characters.
Result<std::string> sysctl_path(std::string_view name);

// The namespace that a path of sysctl_path() belongs to, as in /linux/namespaces: "network", "ipc",
// "uts", "user". "" when it is not namespaced and would change the host.
std::string_view sysctl_namespace(std::string_view path);

// A list of CPUs or memory nodes: "0-3,7". "" is the empty list.
// Errors: InvalidSpec, quoting the text, for anything else, numbers above 65535 and reversed
// ranges.
Result<std::vector<uint32_t>> parse_id_list(std::string_view text);

// Ids of containers: [A-Za-z0-9_+.-], not "." or "..", 1 to 255 bytes, no leading '-'.
// Errors: InvalidArgument that quotes the id.
Result<> validate_id(std::string_view id);

}  // namespace corten::spec
