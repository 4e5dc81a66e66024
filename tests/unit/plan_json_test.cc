// plan/json.cc and plan/features.cc, read back by a JSON library.
#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "plan_support.h"
#include "support.h"
#include <corten/plan/features.h>
#include <corten/spec/names.h>
#include <corten/spec/parse.h>

namespace corten::plan {
namespace {

using Json = nlohmann::json;

Json json_of(const spec::Spec& spec) {
  auto plan = build(spec, testing::options(), testing::host_v2());
  EXPECT_TRUE(testing::is_ok(plan));
  return plan ? Json::parse(to_json(*plan)) : Json();
}

TEST(PlanJson, ShowsEveryPart) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "network", "/run/netns/x");
  spec.mounts = {testing::mount("/tmp", "tmpfs", "", {"nosuid", "mode=700"})};
  spec.hooks.poststop = {{.path = "/hook", .args = {}, .env = std::nullopt, .timeout = 1}};
  spec.process->user.umask = 077;
  spec.process->capabilities = spec::Capabilities{.bounding = {"CAP_CHOWN"}};
  spec.annotations = {{"k", "v\""}};
  const auto json = json_of(spec);
  EXPECT_EQ(json["id"], "abc");
  EXPECT_EQ(json["rootfs"], "/bundles/one/rootfs");
  EXPECT_EQ(json["rootfs_propagation"], "0x84000");
  EXPECT_EQ(json["namespaces"]["unshare"], Json::array({"mount"}));
  EXPECT_EQ(json["namespaces"]["join"][0], Json({{"type", "network"}, {"path", "/run/netns/x"}}));
  EXPECT_EQ(json["cgroup"]["device_rules"][0], "deny a *:* rwm");
  EXPECT_EQ(json["mounts"][0]["kind"], "filesystem");
  EXPECT_EQ(json["mounts"][0]["data"], Json::array({"mode=700"}));
  EXPECT_EQ(json["mounts"][0]["attributes"]["set"], "0x2");
  EXPECT_EQ(json["devices"][0]["path"], "/dev/null");
  EXPECT_EQ(json["devices"][0]["mode"], "0666");
  EXPECT_EQ(json["hooks"]["poststop"][0]["timeout"], 1);
  EXPECT_EQ(json["hooks"]["poststop"][0]["env"], nullptr);
  EXPECT_EQ(json["process"]["umask"], "0077");
  EXPECT_EQ(json["process"]["capabilities"]["bounding"], "0x1");
  EXPECT_EQ(json["process"]["seccomp"], nullptr);
  EXPECT_EQ(json["intel_rdt"], nullptr);
  EXPECT_EQ(json["annotations"], Json::array({Json::array({"k", "v\""})}));
  EXPECT_EQ(json["warnings"], Json::array());
}

TEST(PlanJson, WithoutAProcess) {
  auto spec = testing::small_spec();
  spec.process.reset();
  EXPECT_EQ(json_of(spec)["process"], nullptr);
}

TEST(PlanJson, ShowsTheRarerParts) {
  auto spec = testing::small_spec();
  spec.process->scheduler = spec::Scheduler{.policy = "SCHED_BATCH", .nice = 5};
  spec.process->terminal = true;
  spec.process->console_size = spec::ConsoleSize{.height = 24, .width = 80};
  spec.linux_->memory_policy = spec::MemoryPolicy{.mode = "MPOL_BIND", .nodes = "0", .flags = {}};
  spec.linux_->intel_rdt = spec::IntelRdt{.clos_id = "gold", .schemata = {"L3:0=f"}};
  spec.linux_->resources.emplace();
  spec.linux_->resources->pids = spec::Pids{.limit = 0};
  auto bound = testing::mount("/mnt", "", "/src", {"rbind", "rslave"});
  bound.uid_mappings = bound.gid_mappings = {{.container_id = 0, .host_id = 5, .size = 6}};
  spec.mounts = {bound};
  const auto json = json_of(spec);
  EXPECT_EQ(json["process"]["scheduler"]["nice"], 5);
  EXPECT_EQ(json["process"]["console_size"], Json({{"rows", 24}, {"columns", 80}}));
  EXPECT_EQ(json["process"]["memory_policy"]["nodes"], Json::array({"0x1"}));
  EXPECT_EQ(json["intel_rdt"],
            Json({{"clos_id", "gold"},
                  {"configured_clos", true},
                  {"schemata",
                   Json::array({{{"line", "L3:0=f"},
                                 {"pointer", "/linux/intelRdt/schemata/0"},
                                 {"must_match", false}}})},
                  {"monitoring", false}}));
  EXPECT_EQ(json["cgroup"]["late_writes"][0]["file"], "pids.max");
  EXPECT_EQ(json["mounts"][0]["idmap"]["uid_map"], Json::array({Json::array({0, 5, 6})}));
  EXPECT_EQ(json["mounts"][0]["propagation"], Json::array({"0x84000"}));
}

std::set<std::string> strings_of(const Json& array) {
  std::set<std::string> all;
  for (const auto& item : array) all.insert(item.get<std::string>());
  return all;
}

TEST(Features, NamesTheVersionsAndHooks) {
  const auto json = Json::parse(features_json("1.2.3"));
  EXPECT_EQ(json["ociVersionMin"], std::string(spec::kOciVersionMin));
  EXPECT_EQ(json["ociVersionMax"], std::string(spec::kOciVersionMax));
  EXPECT_EQ(json["hooks"],
            Json::array({"prestart",
                         "createRuntime",
                         "createContainer",
                         "startContainer",
                         "poststart",
                         "poststop"}));
  EXPECT_EQ(json["annotations"]["org.corten.version"], "1.2.3");
  EXPECT_EQ(json["annotations"]["org.opencontainers.runc.checkpoint.enabled"], "true");
  EXPECT_FALSE(
      json["annotations"]["io.github.seccomp.libseccomp.version"].get<std::string>().empty());
  EXPECT_TRUE(
      strings_of(json["potentiallyUnsafeConfigAnnotations"]).contains("org.systemd.property."));
}

TEST(Features, ListsWhatEnginesAskFor) {
  const auto json = Json::parse(features_json("1"));
  EXPECT_TRUE(strings_of(json["mountOptions"]).contains("rro"));
  EXPECT_TRUE(strings_of(json["linux"]["namespaces"]).contains("user"));
  EXPECT_TRUE(strings_of(json["linux"]["namespaces"]).contains("time"));
  EXPECT_EQ(json["linux"]["mountExtensions"]["idmap"]["enabled"], true);
  EXPECT_EQ(
      json["linux"]["cgroup"],
      Json({{"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}}));
  EXPECT_EQ(json["linux"]["netDevices"]["enabled"], true);
  EXPECT_EQ(json["linux"]["capabilities"].size(), 41U);
  EXPECT_EQ(json["linux"]["memoryPolicy"]["modes"].size(), 7U);
  EXPECT_EQ(json["linux"]["seccomp"]["actions"].size(), 9U);
  EXPECT_EQ(json["linux"]["seccomp"]["archs"].size(), 23U);
  EXPECT_EQ(json["linux"]["intelRdt"],
            Json({{"enabled", true}, {"schemata", true}, {"monitoring", true}}));
}

// config.md "Linux mount options", and rnodev.
TEST(Features, MountOptionsAreTheWholeTableOfTheSpecification) {
  const std::set<std::string> expected{"async",         "atime",        "bind",
                                       "defaults",      "dev",          "diratime",
                                       "dirsync",       "exec",         "idmap",
                                       "iversion",      "lazytime",     "loud",
                                       "mand",          "noatime",      "nodev",
                                       "nodiratime",    "noexec",       "noiversion",
                                       "nolazytime",    "nomand",       "norelatime",
                                       "nostrictatime", "nosuid",       "nosymfollow",
                                       "private",       "ratime",       "rbind",
                                       "rdev",          "rdiratime",    "relatime",
                                       "remount",       "rexec",        "ridmap",
                                       "rnoatime",      "rnodev",       "rnodiratime",
                                       "rnoexec",       "rnorelatime",  "rnostrictatime",
                                       "rnosuid",       "rnosymfollow", "ro",
                                       "rprivate",      "rrelatime",    "rro",
                                       "rrw",           "rshared",      "rslave",
                                       "rstrictatime",  "rsuid",        "rsymfollow",
                                       "runbindable",   "rw",           "shared",
                                       "silent",        "slave",        "strictatime",
                                       "suid",          "symfollow",    "sync",
                                       "tmpcopyup",     "unbindable"};
  const auto json = Json::parse(features_json("1"));
  EXPECT_EQ(strings_of(json["mountOptions"]), expected);
}

TEST(Features, EveryMountOptionIsAcceptedOnTmpfsAndBind) {
  const auto json = Json::parse(features_json("1"));
  for (const auto& option : strings_of(json["mountOptions"])) {
    auto spec = testing::small_spec();
    testing::add_namespace(spec, "user", "/proc/1/ns/user");
    std::vector<std::string> on_tmpfs{option};
    if (option.ends_with("bind") && option != "unbindable") on_tmpfs = {"nodev"};
    if (option == "idmap" || option == "ridmap") on_tmpfs = {"nodev"};
    spec.mounts = {testing::mount("/a", "tmpfs", "tmpfs", on_tmpfs),
                   testing::mount("/b", "", "/src", {"bind", option == "remount" ? "rw" : option})};
    const auto plan = build(spec, testing::options(), testing::host_v2());
    ASSERT_OK(plan) << option;
    for (const auto& mount : plan->mounts) {
      for (const auto& data : mount.data) {
        const std::set<std::string> generic{
            "async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync"};
        EXPECT_TRUE(generic.contains(data.key)) << option << " became " << data.key;
      }
    }
  }
}

TEST(Features, EveryCapabilityIsRecognised) {
  const auto json = Json::parse(features_json("1"));
  auto spec = testing::small_spec();
  spec.process->capabilities.emplace();
  for (const auto& name : json["linux"]["capabilities"]) {
    spec.process->capabilities->bounding.push_back(name.get<std::string>());
  }
  ASSERT_OK_AND_ASSIGN(const auto plan, build(spec, testing::options(), testing::host_v2()));
  EXPECT_EQ(plan.process->capabilities.bounding, (uint64_t{1} << 41U) - 1);
  EXPECT_TRUE(plan.warnings.empty());
}

}  // namespace
}  // namespace corten::plan
