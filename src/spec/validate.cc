// The entry points of the rules, and rules about texts that other layers use too.
#include <algorithm>

#include "rules.h"
#include <corten/base/strings.h>
#include <corten/spec/validate.h>

namespace corten::spec {

namespace {

Result<> to_result(const Problems& problems) {
  if (problems.empty()) return {};
  return problems.to_error({});
}

constexpr uint32_t kMaxListed = 65535;

Error bad_list(std::string_view text) {
  return Error(ErrorKind::InvalidSpec, "expected a list like 0-3,7, found " + quote(text));
}

}  // namespace

void check_spec(const Spec& spec, const ValidateOptions& options, Problems& problems) {
  check_config(spec, problems);
  check_mounts(spec.mounts, problems);
  check_hooks(spec.hooks, problems);
  if (spec.process) check_process(*spec.process, "/process", problems);
  if (!spec.process && options.require_process) {
    problems.add("/process", "this property is required to start the container");
  }
  check_namespaces(spec, problems);
  check_seccomp(spec, problems);
  if (!spec.linux_) return;
  check_linux(*spec.linux_, problems);
  if (spec.linux_->resources)
    check_resources(*spec.linux_->resources, "/linux/resources", problems);
}

Result<> validate(const Spec& spec, const ValidateOptions& options) {
  Problems problems;
  check_spec(spec, options, problems);
  return to_result(problems);
}

Result<> validate_process(const Process& process) {
  Problems problems;
  check_process(process, {}, problems);
  return to_result(problems);
}

Result<> validate_resources(const Resources& resources) {
  Problems problems;
  check_resources(resources, {}, problems);
  return to_result(problems);
}

Result<> validate_id(std::string_view id) {
  constexpr std::size_t kMaxLength = 255;  // NAME_MAX: the id is a directory's name
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
  const auto bad = [&](std::string_view why) {
    return Error(
        ErrorKind::InvalidArgument,
        "invalid container id " + quote(id.substr(0, kMaxLength)) + ": " + std::string(why));
  };
  if (id.empty()) return bad("it is empty");
  if (id.size() > kMaxLength) return bad("it is longer than 255 bytes");
  if (id == "." || id == "..") return bad("it names a directory");
  if (id.front() == '-') return bad("it starts with '-'");
  if (id.find_first_not_of(kAllowed) != std::string_view::npos) {
    return bad("only letters, digits and '_+.-' are allowed");
  }
  return {};
}

Result<std::string> sysctl_path(std::string_view name) {
  const auto first = name.find_first_of("./");
  std::string path(name);
  if (first != std::string_view::npos && name[first] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  bool bad = path.empty();
  for (const auto part : split(path, '/')) bad = bad || part.empty() || part == "." || part == "..";
  for (const char c : path) bad = bad || static_cast<uint8_t>(c) <= ' ' || c == 0x7f;
  if (bad) {
    return Error(ErrorKind::InvalidSpec,
                 "expected a name like net.ipv4.ip_forward, found " + quote(name));
  }
  return path;
}

// From the kernel's registrations: ipc/ipc_sysctl.c, ipc/mq_sysctl.c, kernel/utsname_sysctl.c,
// kernel/ucount.c, net/sysctl_net.c.
std::string_view sysctl_namespace(std::string_view path) {
  constexpr std::string_view kIpcNames[] = {
      "kernel/sem", "kernel/sem_next_id", "kernel/auto_msgmni"};
  if (path.starts_with("net/")) return "network";
  if (path.starts_with("fs/mqueue/")) return "ipc";
  if (path.starts_with("kernel/msg") || path.starts_with("kernel/shm")) return "ipc";
  if (std::find(std::begin(kIpcNames), std::end(kIpcNames), path) != std::end(kIpcNames))
    return "ipc";
  if (path == "kernel/domainname") return "uts";
  if (path.starts_with("user/")) return "user";
  return {};
}

Result<std::vector<uint32_t>> parse_id_list(std::string_view text) {
  std::vector<uint32_t> ids;
  if (text.empty()) return ids;
  for (const auto part : split(text, ',')) {
    const auto dash = part.find('-');
    const auto first = parse_integer<uint32_t>(part.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : parse_integer<uint32_t>(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last > kMaxListed) return bad_list(text);
    // Overlapping ranges are legal, so the sum is bounded and not only each one.
    if (ids.size() + (*last - *first) > 2 * std::size_t{kMaxListed}) return bad_list(text);
    for (uint32_t id = *first; id <= *last; ++id) ids.push_back(id);
  }
  return ids;
}

}  // namespace corten::spec
