// config.md: idmap, ridmap, uidMappings and gidMappings of mounts.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

Json mapping(unsigned container, unsigned host, unsigned size) {
  return Json::array({{{"containerID", container}, {"hostID", host}, {"size", size}}});
}

// A mount with a file of user and group 0, and another mount with such a file below it. Both are
// binds of the work directory's filesystem: tmpfs takes id maps from Linux 6.3 on only.
std::string make_source(Case& c) {
  const std::string source = c.directory() + "/source";
  const std::string other = c.directory() + "/other";
  fs::create_directories(source + "/below");
  fs::create_directory(other);
  c.host_mount(source, source, "none", MS_BIND);
  c.host_mount(other, source + "/below", "none", MS_BIND);
  for (const char* name : {"/file", "/below/file"}) {
    write_file(source + name, "x");
    ::chmod((source + name).c_str(), 0644);
  }
  return source;
}

Json idmapped(const std::string& source,
              std::vector<std::string> options,
              const Json& uid = nullptr,
              const Json& gid = nullptr) {
  Json mount = {{"destination", "/mnt"},
                {"type", "none"},
                {"source", source},
                {"options", std::move(options)}};
  if (!uid.is_null()) mount["uidMappings"] = uid;
  if (!gid.is_null()) mount["gidMappings"] = gid;
  return mount;
}

void expect_owner(const Json& result, unsigned uid, unsigned gid, const std::string& what) {
  EXPECT_EQ(result["stat"].value("uid", 4294967295U), uid) << what;
  EXPECT_EQ(result["stat"].value("gid", 4294967295U), gid) << what;
}

SPEC_CASE(IdMappedMounts,
          Idmap,
          "CF-064 CF-065 CF-067 CF-080",
          "idmap shows the files with the ids of the mount's mappings") {
  c.bundle.add_mount(
      idmapped(make_source(c), {"bind", "idmap"}, mapping(0, 1000, 100), mapping(0, 2000, 100)));
  expect_owner(c.perform({{"stat", "/mnt/file"}})[0], 1000, 2000, "file of user 0 and group 0");
}

SPEC_CASE(IdMappedMounts,
          MappingsWithoutOption,
          "CF-081 CF-080",
          "mappings are applied without idmap among the options as well") {
  c.bundle.add_mount(
      idmapped(make_source(c), {"bind"}, mapping(0, 1000, 100), mapping(0, 2000, 100)));
  expect_owner(c.perform({{"stat", "/mnt/file"}})[0], 1000, 2000, "file of user 0 and group 0");
}

SPEC_CASE(IdMappedMounts,
          MountMappingsWinOverUserNamespace,
          "CF-067 CF-065",
          "in a user namespace the mount's own mappings are used") {
  c.bundle.use_user_namespace(100000, 65536);
  c.bundle.add_mount(idmapped(
      make_source(c), {"bind", "idmap"}, mapping(0, 100500, 100), mapping(0, 100600, 100)));
  expect_owner(c.perform({{"stat", "/mnt/file"}})[0], 500, 600, "file of user 0 and group 0");
}

SPEC_CASE(IdMappedMounts,
          UserNamespaceMappings,
          "CF-068",
          "idmap without mappings uses those of the user namespace, or is refused") {
  c.bundle.use_user_namespace(100000, 65536);
  c.bundle.add_mount(idmapped(make_source(c), {"bind", "idmap"}));
  c.bundle.set_command({"do", "stat", "/mnt/file"});
  if (!c.container.create().ok()) return;
  c.container.must_start();
  c.container.wait_exit();
  expect_owner(c.container.json_output()[0], 0, 0, "file of user 0 and group 0");
}

SPEC_CASE(IdMappedMounts,
          NoMappingsAtAllAreRefused,
          "CF-069",
          "idmap without mappings and without a user namespace is refused") {
  c.bundle.add_mount(idmapped(make_source(c), {"bind", "idmap"}));
  c.expect_refused("idmap without any mappings");
}

SPEC_CASE(IdMappedMounts,
          Ridmap,
          "CF-071 CF-072 CF-074 CF-080",
          "ridmap maps the mounts below as well") {
  c.bundle.add_mount(
      idmapped(make_source(c), {"rbind", "ridmap"}, mapping(0, 1000, 100), mapping(0, 2000, 100)));
  const Json results = c.perform({{"stat", "/mnt/file"}, {"stat", "/mnt/below/file"}});
  expect_owner(results[0], 1000, 2000, "file of the mount");
  expect_owner(results[1], 1000, 2000, "file of the mount below");
}

SPEC_CASE(IdMappedMounts,
          IdmapIsNotRecursive,
          "CF-065",
          "idmap leaves the mounts below as they are") {
  c.bundle.add_mount(
      idmapped(make_source(c), {"rbind", "idmap"}, mapping(0, 1000, 100), mapping(0, 2000, 100)));
  const Json results = c.perform({{"stat", "/mnt/file"}, {"stat", "/mnt/below/file"}});
  expect_owner(results[0], 1000, 2000, "file of the mount");
  expect_owner(results[1], 0, 0, "file of the mount below");
}

SPEC_CASE(IdMappedMounts,
          RidmapUserNamespaceMappings,
          "CF-075",
          "ridmap without mappings uses those of the user namespace, or is refused") {
  c.bundle.use_user_namespace(100000, 65536);
  c.bundle.add_mount(idmapped(make_source(c), {"rbind", "ridmap"}));
  c.bundle.set_command({"do", "stat", "/mnt/file", "--", "stat", "/mnt/below/file"});
  if (!c.container.create().ok()) return;
  c.container.must_start();
  c.container.wait_exit();
  const Json results = c.container.json_output();
  expect_owner(results[0], 0, 0, "file of the mount");
  expect_owner(results[1], 0, 0, "file of the mount below");
}

SPEC_CASE(IdMappedMounts,
          RidmapNoMappingsAtAllAreRefused,
          "CF-076",
          "ridmap without mappings and without a user namespace is refused") {
  c.bundle.add_mount(idmapped(make_source(c), {"rbind", "ridmap"}));
  c.expect_refused("ridmap without any mappings");
}

SPEC_CASE(IdMappedMounts,
          OnlyUserMappingsAreRefused,
          "CF-082",
          "uidMappings without gidMappings are refused") {
  c.bundle.add_mount(idmapped(make_source(c), {"bind", "idmap"}, mapping(0, 1000, 100)));
  c.expect_refused("uidMappings without gidMappings");
}

SPEC_CASE(IdMappedMounts,
          OnlyGroupMappingsAreRefused,
          "CF-082",
          "gidMappings without uidMappings are refused") {
  c.bundle.add_mount(idmapped(make_source(c), {"bind", "idmap"}, nullptr, mapping(0, 1000, 100)));
  c.expect_refused("gidMappings without uidMappings");
}

SPEC_CASE(IdMappedMounts,
          NewFilesGetTheOwnerOnDisk,
          "CF-065 CF-080",
          "a file that the mapped user makes belongs to the unmapped one") {
  const std::string source = make_source(c);
  c.bundle.process()["user"] = {{"uid", 1000}, {"gid", 2000}};
  c.bundle.add_mount(
      idmapped(source, {"bind", "idmap"}, mapping(0, 1000, 100), mapping(0, 2000, 100)));
  EXPECT_EQ(c.perform({{"create", "/mnt/new", "x"}})[0]["ok"], true);
  struct stat status {};
  ASSERT_EQ(::stat((source + "/new").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
  EXPECT_EQ(status.st_gid, 0U);
}

}  // namespace
}  // namespace spec
