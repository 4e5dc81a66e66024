// Small configurations and hosts for the tests of the plan layer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <corten/plan/build.h>

// The tests name only the properties that they are about.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace corten::testing {

inline plan::HostFacts host_v1() {
  plan::HostFacts facts;
  for (const char* name : {"cpu",
                           "cpuacct",
                           "cpuset",
                           "memory",
                           "devices",
                           "freezer",
                           "blkio",
                           "pids",
                           "hugetlb",
                           "net_cls",
                           "net_prio",
                           "rdma"}) {
    facts.cgroup.v1.push_back({.controllers = {name},
                               .mount_point = std::string("/sys/fs/cgroup/") + name,
                               .own_path = "/"});
  }
  return facts;
}

inline plan::HostFacts host_v2() {
  plan::HostFacts facts;
  facts.cgroup.v2.push_back(
      {.mount_point = "/sys/fs/cgroup",
       .own_path = "/",
       .controllers = {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}});
  return facts;
}

// memory, cpu and pids in v1; hugetlb in v2.
inline plan::HostFacts host_hybrid() {
  plan::HostFacts facts;
  for (const char* name : {"cpu", "memory", "pids"}) {
    facts.cgroup.v1.push_back({.controllers = {name},
                               .mount_point = std::string("/sys/fs/cgroup/") + name,
                               .own_path = "/"});
  }
  facts.cgroup.v2.push_back(
      {.mount_point = "/sys/fs/cgroup/unified", .own_path = "/", .controllers = {"hugetlb"}});
  return facts;
}

inline plan::BuildOptions options() {
  plan::BuildOptions built;
  built.id = "abc";
  built.bundle = "/bundles/one";
  return built;
}

// A configuration with a root, a process and a mount namespace.
inline spec::Spec small_spec() {
  spec::Spec spec;
  spec.oci_version = "1.3.0";
  spec.root = spec::Root{.path = "rootfs", .readonly = false};
  spec.process.emplace();
  spec.process->cwd = "/";
  spec.process->args = {"sh"};
  spec.linux_.emplace();
  spec.linux_->namespaces.push_back({.type = "mount", .path = std::nullopt});
  return spec;
}

inline void add_namespace(spec::Spec& spec, std::string type, std::string path = "") {
  spec.linux_->namespaces.push_back({.type = std::move(type), .path = std::move(path)});
}

inline spec::Mount mount(std::string destination,
                         std::string type,
                         std::string source,
                         std::vector<std::string> options) {
  spec::Mount built;
  built.destination = std::move(destination);
  if (!type.empty()) built.type = std::move(type);
  if (!source.empty()) built.source = std::move(source);
  built.options = std::move(options);
  return built;
}

}  // namespace corten::testing
