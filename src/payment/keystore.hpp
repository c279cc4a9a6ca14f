// Where a wallet's key comes from: an Ethereum keystore (version 3: scrypt or PBKDF2, AES-128-CTR),
// a folder of them, or a file with the bare key as 64 hex digits. Blocking: at start only.
// Fails with: not_found, unauthorized (wrong password), invalid_argument and a text that names the
// file; never the password or the key.
#pragma once

#include "base/error.hpp"
#include "payment/signature.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace rivulet::payment {

// The text of a keystore file.
outcome<signing_key> open_keystore(std::string_view json, std::string_view password);

struct key_location {
    std::filesystem::path path; // -ethKeystorePath: a file, or a folder of keystores
    std::string account;        // -ethAcctAddr; empty: the only one there
    std::string password; // -ethPassword: itself, or the path of a file whose first line it is
};

outcome<signing_key> load_key(const key_location& where);

} // namespace rivulet::payment
