#include "payment/keystore.hpp"
#include "session/keccak.hpp"
#include "support/scratch.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace rivulet::payment {
namespace {

// The PBKDF2 example of the Web3 Secret Storage definition, version 3; the scrypt one was made with
// other tools, since the definition's own parameters are outside scrypt's.
const std::string pbkdf2_store = R"({"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":
"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":
"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":
{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":
"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":
"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"address":"008aeeda4d805471df9b2a5b0f38a0c3bcba786b",
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3})";

const std::string scrypt_store = R"({"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":
"83dbcc02d8ccb40e466191a123791e0e"},"ciphertext":
"3b4309355ad643f2b15cfb6a83a7f6f328e7a6459a56ab8c6e25a89c8f43eb80","kdf":"scrypt","kdfparams":
{"dklen":32,"n":4096,"p":1,"r":8,"salt":
"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":
"994d83f6bfb7e6e3aa95980f72b6ad87db9d352789d0f2e433cf777425db3a42"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3})";

const std::string secret = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
const std::string address = "008aeeda4d805471df9b2a5b0f38a0c3bcba786b";

std::string with(std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return text;
}

TEST(keystore, opens_both_kinds) {
    for (const auto& store : {pbkdf2_store, scrypt_store}) {
        const auto key = open_keystore(store, "testpassword");
        ASSERT_TRUE(key) << key.error().detail;
        EXPECT_EQ(session::to_hex(key->address()), address);
        const auto known = *signing_key::of(*session::from_hex(secret));
        EXPECT_EQ(key->sign("x"), known.sign("x"));
    }
}

TEST(keystore, says_when_the_password_is_wrong_without_repeating_it) {
    const auto key = open_keystore(pbkdf2_store, "other");
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, errc::unauthorized);
    EXPECT_EQ(key.error().detail.find("other"), std::string::npos);
}

TEST(keystore, absurd_parameters_cost_neither_memory_nor_time) {
    for (const auto& store :
         {with(scrypt_store, "4096", "1073741824"),
          with(scrypt_store, "\"r\":8", "\"r\":1000000"),
          with(scrypt_store, "\"p\":1", "\"p\":0"),
          with(scrypt_store, "4096", "-1"),
          with(pbkdf2_store, "262144", "2000000000"),
          with(pbkdf2_store, "hmac-sha256", "hmac-md5"),
          with(pbkdf2_store, "aes-128-ctr", "rot13"),
          with(pbkdf2_store, "\"dklen\":32", "\"dklen\":16"),
          std::string("{}"),
          std::string("[]"),
          std::string("not JSON")})
        EXPECT_FALSE(open_keystore(store, "testpassword"));
}

class key_files : public ::testing::Test {
  protected:
    void write(const std::string& name, const std::string& text) {
        std::ofstream(folder / name) << text;
    }

    outcome<signing_key> load(const std::string& path, const std::string& account = {}) {
        key_location where;
        where.path = path.empty() ? folder : folder / path;
        where.account = account;
        where.password = password;
        return load_key(where);
    }

    test::scratch scratch;
    std::filesystem::path folder = scratch / "";
    std::string password = "testpassword";
};

TEST_F(key_files, a_folder_gives_its_only_keystore_or_the_one_of_the_account) {
    write("UTC--one", pbkdf2_store);
    write("README", "no keystore");
    EXPECT_TRUE(load(""));
    EXPECT_TRUE(load("", "0x" + address));
    EXPECT_EQ(load("", "0x" + std::string(40, '1')).error().code, errc::not_found);
    write("UTC--two", pbkdf2_store);
    EXPECT_EQ(load("").error().code, errc::invalid_argument);
}

TEST_F(key_files, a_bare_key_and_a_password_file_are_taken_as_well) {
    write("key", "0x" + secret + "\n");
    const auto bare = load("key");
    ASSERT_TRUE(bare);
    EXPECT_EQ(session::to_hex(bare->address()), address);
    EXPECT_FALSE(load("key", "0x" + std::string(40, '1')));
    write("store", pbkdf2_store);
    write("password", "testpassword\nsecond line");
    password = (folder / "password").string();
    EXPECT_TRUE(load("store"));
    EXPECT_EQ(load("missing").error().code, errc::not_found);
}

} // namespace
} // namespace rivulet::payment
