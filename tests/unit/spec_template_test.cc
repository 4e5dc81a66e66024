// What `corten spec` writes is a config that corten accepts, with the protections on.
#include <algorithm>
#include <string>

#include "support.h"
#include <corten/spec/template.h>
#include <corten/spec/validate.h>

namespace corten::spec {
namespace {

bool has_namespace(const Spec& spec, std::string_view type) {
  const auto& list = spec.linux_->namespaces;
  return std::any_of(
      list.begin(), list.end(), [&](const Namespace& one) { return one.type == type; });
}

const Mount* find_mount(const Spec& spec, std::string_view destination) {
  for (const auto& mount : spec.mounts) {
    if (mount.destination == destination) return &mount;
  }
  return nullptr;
}

bool has_option(const Mount& mount, std::string_view option) {
  return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

TEST(Template, IsAcceptedAndIndented) {
  const std::string text = config_template(Rootless::No, 0, 0);
  ASSERT_OK(load(text, {.require_process = true}));
  EXPECT_TRUE(text.starts_with("{\n  \"ociVersion\": \"1.3.0\",\n"));
  EXPECT_TRUE(text.ends_with("}\n"));
}

TEST(Template, HasTheDefaultsOfItsKind) {
  ASSERT_OK_AND_ASSIGN(const Spec spec, load(config_template(Rootless::No, 0, 0)));
  const std::vector<std::string> granted = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  EXPECT_EQ(spec.process->capabilities->bounding, granted);
  EXPECT_EQ(spec.process->capabilities->effective, granted);
  EXPECT_EQ(spec.process->capabilities->permitted, granted);
  EXPECT_TRUE(spec.process->capabilities->inheritable.empty());
  EXPECT_TRUE(spec.process->capabilities->ambient.empty());
  EXPECT_TRUE(spec.process->no_new_privileges);
  EXPECT_EQ(spec.process->args, (std::vector<std::string>{"sh"}));
  ASSERT_EQ(spec.process->rlimits.size(), 1U);
  EXPECT_EQ(spec.process->rlimits[0].hard, 1024U);
  EXPECT_EQ(spec.root->path, "rootfs");
  EXPECT_TRUE(spec.root->readonly);
  for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) {
    EXPECT_TRUE(has_namespace(spec, type)) << type;
  }
  for (const char* path :
       {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"}) {
    EXPECT_NE(find_mount(spec, path), nullptr) << path;
  }
  EXPECT_TRUE(has_option(*find_mount(spec, "/sys/fs/cgroup"), "ro"));
  ASSERT_EQ(spec.linux_->resources->devices.size(), 1U);
  EXPECT_FALSE(spec.linux_->resources->devices[0].allow);
}

TEST(Template, HidesWhatHasBeenAWayOut) {
  ASSERT_OK_AND_ASSIGN(const Spec spec, load(config_template(Rootless::No, 0, 0)));
  const auto& masked = spec.linux_->masked_paths;
  for (const char* path : {"/proc/acpi",
                           "/proc/asound",
                           "/proc/interrupts",
                           "/proc/kcore",
                           "/proc/keys",
                           "/proc/latency_stats",
                           "/proc/sched_debug",
                           "/proc/scsi",
                           "/proc/timer_list",
                           "/proc/timer_stats",
                           "/sys/firmware",
                           "/sys/devices/virtual/powercap"}) {
    EXPECT_NE(std::find(masked.begin(), masked.end(), path), masked.end()) << path;
  }
  const std::vector<std::string> readonly = {
      "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  EXPECT_EQ(spec.linux_->readonly_paths, readonly);
}

TEST(Template, RootlessMapsTheCaller) {
  ASSERT_OK_AND_ASSIGN(const Spec spec, load(config_template(Rootless::Yes, 1000, 1001)));
  EXPECT_EQ(spec.linux_->uid_mappings, (std::vector<IdMapping>{{0, 1000, 1}}));
  EXPECT_EQ(spec.linux_->gid_mappings, (std::vector<IdMapping>{{0, 1001, 1}}));
  EXPECT_TRUE(has_namespace(spec, "user"));
  EXPECT_FALSE(has_namespace(spec, "network"));
  EXPECT_FALSE(spec.linux_->resources);
  EXPECT_FALSE(has_option(*find_mount(spec, "/dev/pts"), "gid=5"));
  const Mount& sys = *find_mount(spec, "/sys");
  EXPECT_EQ(sys.source, "/sys");
  EXPECT_TRUE(has_option(sys, "rbind"));
  EXPECT_TRUE(has_option(sys, "rro"));
}

}  // namespace
}  // namespace corten::spec
