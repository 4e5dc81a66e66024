#include "resctrl.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "rdt_schema.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::runtime {

namespace {

constexpr std::size_t kMaxText = std::size_t{1} << 20U;
constexpr const char* kClassPointer = "/linux/intelRdt/closID";
constexpr const char* kMonitoringPointer = "/linux/intelRdt/enableMonitoring";
constexpr const char* kGroups = "mon_groups";

bool is_missing(const Error& error) { return error.errno_value() == ENOENT; }

// An error of the kernel that is the configuration's fault.
Error at(std::string pointer, const Error& error) {
  return Error::spec(std::move(pointer), error.message()).with_errno(error.errno_value());
}

// Blanks and the like are written as three octal digits (proc(5)).
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(i + 1) && is_octal(i + 2) &&
        is_octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

std::vector<std::string> resctrl_mount_points(std::string_view mountinfo) {
  std::vector<std::string> found;
  for (const auto line : split(mountinfo, '\n')) {
    // "36 35 0:40 /root /mount/point options - type source options" (proc(5))
    const auto dash = line.find(" - ");
    if (dash == std::string_view::npos || !line.substr(dash + 3).starts_with("resctrl ")) continue;
    const auto fields = split(line.substr(0, dash), ' ');
    if (fields.size() > 4 && fields[3] == "/") found.push_back(unescape(fields[4]));
  }
  return found;
}

Result<std::optional<Resctrl>> Resctrl::find() {
  const std::string mountinfo = TRY(sys::read_file("/proc/self/mountinfo", kMaxText * 16));
  for (const auto& path : resctrl_mount_points(mountinfo)) {
    sys::UniqueFd root = TRY(sys::open(path, O_PATH | O_DIRECTORY));
    const struct statfs filesystem = TRY(sys::fstatfs(root.get()));
    // Something else may be mounted on top of it.
    if (filesystem.f_type == RDTGROUP_SUPER_MAGIC)
      return std::optional<Resctrl>(Resctrl(std::move(root)));
  }
  return std::optional<Resctrl>();
}

Resctrl::Calls Resctrl::kernel_calls() {
  return {
      [](int parent, const std::string& name) { return sys::mkdirat(parent, name, 0755); },
      [](int parent, const std::string& name) { return sys::unlinkat(parent, name, AT_REMOVEDIR); },
      [](int fd, std::string_view text) { return sys::write_once(fd, text); }};
}

std::string Resctrl::class_path(const RdtGroups& groups) {
  return groups.class_name.empty() ? "." : groups.class_name;
}

std::string Resctrl::counting_path(const RdtGroups& groups, const std::string& id) {
  if (!groups.monitoring) return class_path(groups);
  return fmt::format("{}/{}/{}", class_path(groups), kGroups, id);
}

Result<sys::UniqueFd> Resctrl::open(const std::string& path, int flags) const {
  return sys::openat2(
      root_.get(), path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

Result<std::string> Resctrl::read(const std::string& path) const {
  const sys::UniqueFd file = TRY(open(path, O_RDONLY));
  return sys::read_all(file.get(), kMaxText);
}

Result<std::vector<std::string>> Resctrl::list(const std::string& path) const {
  const sys::UniqueFd directory = TRY(open(path, O_RDONLY | O_DIRECTORY));
  std::vector<std::string> names = TRY(sys::list_directory(directory.get()));
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> Resctrl::exists(const std::string& path) const {
  const Result<sys::UniqueFd> directory = open(path, O_PATH | O_DIRECTORY);
  if (directory) return true;
  if (is_missing(directory.error())) return false;
  return directory.error();
}

Result<sys::UniqueFd> Resctrl::lock() const {
  sys::UniqueFd root = TRY(open(".", O_RDONLY | O_DIRECTORY));
  TRY(sys::flock(root.get(), sys::Lock::Exclusive).context("locking the resctrl filesystem"));
  return root;
}

Error Resctrl::explain(Error error) const {
  const Result<std::string> text = read("info/last_cmd_status");
  const std::string_view status = text ? trim(*text) : std::string_view();
  if (status.empty() || status == "ok") return error;
  return Error(error.kind(), error.message() + ": " + printable(status))
      .with_errno(error.errno_value())
      .with_pointer(error.pointer());
}

Result<> Resctrl::write(const std::string& path, const std::string& text) const {
  const sys::UniqueFd file = TRY(open(path, O_WRONLY));
  const Result<> written = calls_.write(file.get(), text);
  if (!written) return explain(written.error());
  return {};
}

// One write a line: within one the kernel refuses two values for the same cache, and then the last
// line could not override the first ones.
Result<std::vector<plan::RdtSchema>> Resctrl::replace_lines(
    const std::string& directory, const std::vector<plan::RdtSchema>& schemata) const {
  std::vector<plan::RdtSchema> before;
  if (schemata.empty()) return before;
  const std::string file = directory + "/schemata";
  const std::string text = TRY(read(file));
  for (auto& line : schemata_lines(text)) before.push_back({std::move(line), {}, false});
  for (const auto& schema : schemata) {
    const Result<> written = write(file, schema.line + "\n");
    if (written) continue;
    for (const auto& old : before) (void)write(file, old.line + "\n");  // the first error counts
    return at(schema.pointer, written.error());
  }
  return before;
}

Result<> Resctrl::make(const std::string& parent,
                       const std::string& name,
                       const char* pointer) const {
  const Result<sys::UniqueFd> directory = open(parent, O_PATH | O_DIRECTORY);
  if (!directory) return at(pointer, directory.error());
  const Result<> made = calls_.make(directory->get(), name);
  if (!made) return at(pointer, explain(made.error()));
  return {};
}

Result<> Resctrl::remove(const std::string& parent, const std::string& name) const {
  const Result<sys::UniqueFd> directory = open(parent, O_PATH | O_DIRECTORY);
  if (!directory && is_missing(directory.error())) return {};
  if (!directory) return directory.error();
  const Result<> removed = calls_.remove(directory->get(), name);
  if (!removed && !is_missing(removed.error())) return explain(removed.error());
  return {};
}

Result<bool> Resctrl::check_class(const plan::IntelRdt& plan) const {
  const std::string path = class_path({plan.clos_id, false, false});
  const Result<bool> there = exists(path);
  if (!there) return at(kClassPointer, there.error());
  if (!plan.configured_clos) return *there;
  if (!*there && plan.schemata.empty()) {
    return Error::spec(
        kClassPointer,
        fmt::format("there is no class of service {}, and no schema to make one with",
                    quote(plan.clos_id)));
  }
  if (*there && !plan.schemata.empty()) {
    const std::string present = TRY(read(path + "/schemata"));
    const Result<std::string> step = read("info/MB/bandwidth_gran");
    TRY(match_schemata(
        plan.schemata, present, step ? parse_integer<uint64_t>(trim(*step)).value_or(1) : 1));
  }
  return *there;
}

Result<> Resctrl::check_monitoring_group(const RdtGroups& groups, const std::string& id) const {
  if (!groups.monitoring) return {};
  const bool taken = TRY(exists(counting_path(groups, id)));
  if (!taken) return {};
  return Error::spec(kMonitoringPointer,
                     fmt::format("the monitoring group {} exists already", quote(id)))
      .with_errno(EEXIST);
}

Result<> Resctrl::fill(const plan::IntelRdt& plan,
                       const RdtGroups& wanted,
                       const std::string& id,
                       RdtGroups& made) const {
  const std::string directory = class_path(wanted);
  if (wanted.remove_class) {
    TRY(make(".", plan.clos_id, kClassPointer));
    made.remove_class = true;
  }
  if (wanted.monitoring) {
    TRY(make(directory + "/" + kGroups, id, kMonitoringPointer));
    made.monitoring = true;
  }
  // Last: it puts back the old lines itself.
  TRY(replace_lines(directory, plan.schemata));
  return {};
}

Result<> Resctrl::make_groups(const plan::IntelRdt& plan,
                              const std::string& id,
                              const Save& save) const {
  const sys::UniqueFd held = TRY(lock());
  const bool there = TRY(check_class(plan));
  RdtGroups groups{plan.clos_id, !there, plan.monitoring};
  TRY(check_monitoring_group(groups, id));
  TRY(save(groups));
  RdtGroups made{plan.clos_id, false, false};
  Result<> done = fill(plan, groups, id, made);
  // A named class is the container's only as long as it is not complete: others may use it then.
  if (done && plan.configured_clos && groups.remove_class) {
    groups.remove_class = false;
    done = save(groups);
  }
  if (done) return {};
  // Here and not by the caller, who does not hold the lock.
  if (remove_locked(made, id)) (void)save({plan.clos_id, false, false});
  return done;
}

// The class first: the kernel takes a thread into a monitoring group from its own class only.
Result<> Resctrl::enter(const RdtGroups& groups, const std::string& id, pid_t tid) const {
  const std::string text = std::to_string(tid);
  TRY(write(class_path(groups) + "/tasks", text).context([&] {
    return fmt::format("putting process {} into the class of service {}",
                       tid,
                       quote(groups.class_name.empty() ? "/" : groups.class_name));
  }));
  if (!groups.monitoring) return {};
  return write(counting_path(groups, id) + "/tasks", text).context([&] {
    return fmt::format("putting process {} into its monitoring group", tid);
  });
}

Result<std::vector<plan::RdtSchema>> Resctrl::write_schemata(
    const RdtGroups& groups, const std::vector<plan::RdtSchema>& schemata) const {
  const sys::UniqueFd held = TRY(lock());
  return replace_lines(class_path(groups), schemata);
}

Result<> Resctrl::remove_groups(const RdtGroups& groups, const std::string& id) const {
  if (!groups.remove_class && !groups.monitoring) return {};
  const sys::UniqueFd held = TRY(lock());
  return remove_locked(groups, id);
}

Result<> Resctrl::remove_locked(const RdtGroups& groups, const std::string& id) const {
  if (groups.monitoring) TRY(remove(class_path(groups) + "/" + kGroups, id));
  if (groups.remove_class) TRY(remove(".", groups.class_name));
  return {};
}

}  // namespace corten::runtime
