// CRIU's messages against bytes that were written down by hand from protobuf's encoding rules.
#include "criu_rpc.h"

#include <string>

#include "support.h"

namespace corten::runtime::criu {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

TEST(CriuRpc, ARequestWithoutOptionsIsItsType) {
  EXPECT_EQ(encode_request(Type::Version, nullptr, nullptr), bytes({0x08, 10}));
}

TEST(CriuRpc, FeaturesAreFieldFive) {
  const Features wanted{true, true};
  EXPECT_EQ(encode_request(Type::FeatureCheck, nullptr, &wanted),
            bytes({0x08, 9, 0x2a, 4, 0x08, 1, 0x10, 1}));
}

TEST(CriuRpc, OptionsHaveTheNumbersOfRpcProto) {
  Options options;
  options.images_dir_fd = 300;  // two bytes as a varint: 0xac 0x02
  options.pid = 5;
  options.leave_running = true;
  options.log_file = "l";
  options.log_level = 4;
  options.cgroup_mode = CgroupMode::Soft;
  options.lsm_mount_context = "c";
  options.network_lock = NetworkLock::Skip;
  const std::string expected = bytes({0x08, 0xac, 0x02,       // 1: images_dir_fd
                                      0x10, 5,                // 2: pid
                                      0x18, 1,                // 3: leave_running
                                      0x48, 4,                // 9: log_level
                                      0x52, 1,    'l',        // 10: log_file
                                      0xc0, 0x01, 1,          // 24: manage_cgroups
                                      0x90, 0x02, 3,          // 34: manage_cgroups_mode
                                      0xfa, 0x03, 1,    'c',  // 63: lsm_mount_context
                                      0x80, 0x04, 3});        // 64: network_lock
  std::string request = bytes({0x08, 1, 0x12});
  request += static_cast<char>(expected.size());
  EXPECT_EQ(encode_request(Type::Dump, &options, nullptr), request + expected);
}

TEST(CriuRpc, RepeatedPairsAreMessagesOfTheirOwn) {
  Options options;
  options.images_dir_fd = 0;
  options.external_mounts = {{"k", "v"}};
  options.inherited = {{"pipe:[1]", 2}};
  const std::string request = encode_request(Type::Restore, &options, nullptr);
  // 23: {1: "k", 2: "v"} and 27: {1: "pipe:[1]", 2: 2}
  EXPECT_NE(request.find(bytes({0xba, 0x01, 6, 0x0a, 1, 'k', 0x12, 1, 'v'})), std::string::npos);
  EXPECT_NE(request.find(bytes({0xda, 0x01, 12, 0x0a, 8}) + "pipe:[1]" + bytes({0x10, 2})),
            std::string::npos);
}

TEST(CriuRpc, ANegativeNumberIsTenBytesLong) {
  Options options;  // images_dir_fd = -1
  const std::string request = encode_request(Type::Dump, &options, nullptr);
  EXPECT_NE(request.find(bytes({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})),
            std::string::npos);
}

TEST(CriuRpc, ReadsAnswers) {
  ASSERT_OK_AND_ASSIGN(const Response restored,
                       decode_response(bytes({0x08, 2, 0x10, 1, 0x22, 3, 0x08, 0xac, 0x02})));
  EXPECT_EQ(restored.type, Type::Restore);
  EXPECT_TRUE(restored.success);
  EXPECT_EQ(restored.pid, 300);
  ASSERT_OK_AND_ASSIGN(const Response notify,
                       decode_response(bytes({0x08, 6, 0x10, 1, 0x2a, 5, 0x0a, 1, 'x', 0x10, 7})));
  EXPECT_EQ(notify.notification, "x");
  EXPECT_EQ(notify.pid, 7);
  ASSERT_OK_AND_ASSIGN(const Response failed,
                       decode_response(bytes({0x08, 1, 0x10, 0, 0x38, 13, 0x4a, 2, 'n', 'o'})));
  EXPECT_FALSE(failed.success);
  EXPECT_EQ(failed.error, 13);
  EXPECT_EQ(failed.message, "no");
  ASSERT_OK_AND_ASSIGN(
      const Response version,
      decode_response(bytes({0x08, 10, 0x10, 1, 0x52, 6, 0x08, 3, 0x10, 17, 0x20, 1})));
  EXPECT_EQ(version.version, 31701);
}

TEST(CriuRpc, UnknownFieldsAreSkipped) {
  ASSERT_OK_AND_ASSIGN(
      const Response response,
      decode_response(bytes({0xf8, 0x06, 1,                           // 111: a number
                             0xf2, 0x06, 2, 'a', 'b',                 // 110: bytes
                             0xed, 0x06, 1, 2,   3,   4,              // 109: four bytes
                             0xe1, 0x06, 1, 2,   3,   4, 5, 6, 7, 8,  // 108: eight bytes
                             0x10, 1})));
  EXPECT_TRUE(response.success);
}

TEST(CriuRpc, DamagedMessagesAreErrors) {
  for (const std::string& damaged :
       {bytes({0x08}),
        bytes({0x2a, 5, 1}),
        bytes({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
        bytes({0x0b}),
        bytes({0x22, 2, 0x08, 0x80})})
    EXPECT_ERROR(decode_response(damaged), ErrorKind::Protocol);
}

}  // namespace
}  // namespace corten::runtime::criu
