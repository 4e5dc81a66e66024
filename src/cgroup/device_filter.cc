#include "device_filter.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

#include <fmt/format.h>

#include <corten/plan/device_bpf.h>
#include <corten/sys/bpf.h>
#include <corten/sys/file.h>

namespace corten::cgroup {

namespace {

std::string number(int64_t value) { return value < 0 ? "*" : std::to_string(value); }

// "c 1:3 rwm"; "a" stands for everything and takes nothing behind it (cgroup-v1/devices.rst).
std::string rule_text(const plan::DeviceRule& rule) {
  if (rule.type == 'a') return "a";
  std::string access;
  if ((rule.access & 2U) != 0) access += 'r';
  if ((rule.access & 4U) != 0) access += 'w';
  if ((rule.access & 1U) != 0) access += 'm';
  return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor), access);
}

}  // namespace

Result<> write_device_rules(const Directory& directory,
                            const std::vector<plan::DeviceRule>& rules) {
  const int dir = TRY(directory.fd());
  const sys::UniqueFd allow = TRY(sys::openat(dir, "devices.allow", O_WRONLY));
  const sys::UniqueFd deny = TRY(sys::openat(dir, "devices.deny", O_WRONLY));
  for (const auto& rule : rules) {
    const std::string text = rule_text(rule);
    TRY(sys::write_once(rule.allow ? allow.get() : deny.get(), text).context([&] {
      return fmt::format("{} {}", rule.allow ? "allowing" : "denying", text);
    }));
  }
  return {};
}

Result<> apply_device_program(const Directory& directory,
                              const std::vector<plan::DeviceRule>& rules) {
  const int dir = TRY(directory.fd());
  const std::vector<uint32_t> present = TRY(sys::bpf_query_device_programs(dir));
  if (plan::allows_every_device(rules) && present.empty()) return {};
  const sys::UniqueFd program =
      TRY(sys::bpf_load_device_program(plan::build_device_program(rules)));
  if (present.size() == 1) {
    const sys::UniqueFd old = TRY(sys::bpf_program_by_id(present.front()));
    const Result<> replaced = sys::bpf_attach_device_program(dir, program.get(), old.get());
    if (replaced) return replaced;
  }
  // Several programs must all agree, so the new one is in force beside the old ones before they go.
  TRY(sys::bpf_attach_device_program(dir, program.get(), -1));
  for (const uint32_t id : present) {
    const sys::UniqueFd old = TRY(sys::bpf_program_by_id(id));
    TRY(sys::bpf_detach_device_program(dir, old.get()));
  }
  return {};
}

}  // namespace corten::cgroup
