#include "http/multipart.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace rivulet::http {
namespace {

using testing::HasSubstr;

struct seen_part {
    part_head head;
    std::string content;
    bool ended = false;

    seen_part() {}
};

struct form_reader {
    explicit form_reader(std::string boundary = "b", multipart_limits limits = {})
        : parser(std::move(boundary), limits, events()) {}

    multipart_events events() {
        multipart_events made;
        made.begin = [this](const part_head& head) {
            parts.emplace_back();
            parts.back().head = head;
            return outcome<void>();
        };
        made.data = [this](std::span<const std::uint8_t> piece) {
            parts.back().content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
            return outcome<void>();
        };
        made.end = [this] {
            parts.back().ended = true;
            return outcome<void>();
        };
        return made;
    }

    outcome<void> feed(std::string_view text) {
        return parser.feed({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }

    // All of it, in pieces of so many bytes.
    outcome<void> read(std::string_view text, std::size_t step = 1'000'000) {
        for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
            auto fed = feed(text.substr(0, step));
            if (!fed)
                return fed;
        }
        return parser.finish();
    }

    std::vector<seen_part> parts;
    multipart_parser parser;
};

std::string field(std::string_view head, std::string_view content) {
    return "--b\r\n" + std::string(head) + "\r\n" + std::string(content) + "\r\n";
}

std::string disposition(std::string_view rest) {
    return "Content-Disposition: form-data; " + std::string(rest) + "\r\n";
}

part_head head_of(std::string_view headers) {
    form_reader form;
    auto read = form.read(field(headers, "x") + "--b--");
    EXPECT_TRUE(read) << (read ? "" : read.error().detail);
    return form.parts.empty() ? part_head() : form.parts.front().head;
}

std::string failure_of(std::string_view body, multipart_limits limits = {}) {
    form_reader form("b", limits);
    auto read = form.read(body);
    return read ? "none" : read.error().detail;
}

TEST(multipart, reads_values_and_files_wherever_the_body_is_cut) {
    const std::string image = "\x89PNG\r\n\x1a\n\r\n--\r\n--bc\r\n--b-\r\r\n--b \r\r--b--";
    const auto body =
        "a preamble\r\n--\r\n" + field(disposition("name=\"prompt\""), "a cat\r\n--not") +
        field(
            disposition("name=\"image\"; filename=\"cat.png\"") + "Content-Type: image/png\r\n",
            image
        ) +
        field(disposition("name=empty"), "") + "--b-- \r\nan epilogue\r\n--b\r\n";
    for (std::size_t step = 1; step <= body.size(); ++step) {
        form_reader form;
        auto read = form.read(body, step);
        ASSERT_TRUE(read) << step << ": " << read.error().detail;
        ASSERT_EQ(form.parts.size(), 3u) << step;
        EXPECT_EQ(form.parts[0].head.name, "prompt");
        EXPECT_FALSE(form.parts[0].head.has_filename);
        EXPECT_EQ(form.parts[0].content, "a cat\r\n--not") << step;
        EXPECT_EQ(form.parts[1].head.name, "image");
        EXPECT_TRUE(form.parts[1].head.has_filename);
        EXPECT_EQ(form.parts[1].head.filename, "cat.png");
        EXPECT_EQ(form.parts[1].head.content_type, "image/png");
        EXPECT_EQ(form.parts[1].content, image) << step;
        EXPECT_EQ(form.parts[2].head.name, "empty");
        EXPECT_EQ(form.parts[2].content, "");
        for (const auto& part : form.parts)
            EXPECT_TRUE(part.ended);
    }
}

TEST(multipart, content_may_begin_like_a_boundary) {
    for (const auto* content : {"-", "--", "--b", "--b-", "--bx", "\r\n--bb", "\r", "\r\r\n-"})
        for (std::size_t step = 1; step < 9; ++step) {
            form_reader form;
            const auto begun = std::string(content);
            // "--b" right behind the blank line is the boundary itself.
            if (begun == "--b")
                continue;
            ASSERT_TRUE(form.read(field(disposition("name=x"), begun) + "--b--", step)) << content;
            ASSERT_EQ(form.parts.size(), 1u);
            EXPECT_EQ(form.parts[0].content, begun) << step;
        }
}

TEST(multipart, a_part_without_a_line_of_its_own_is_empty) {
    form_reader form;
    ASSERT_TRUE(form.read("--b\r\n" + disposition("name=x") + "\r\n--b--\r\n"));
    ASSERT_EQ(form.parts.size(), 1u);
    EXPECT_EQ(form.parts[0].content, "");
    EXPECT_TRUE(form.parts[0].ended);
}

TEST(multipart, boundaries_may_be_padded_with_blanks) {
    form_reader form;
    ASSERT_TRUE(form.read("--b \t \r\n" + disposition("name=x") + "\r\n1\r\n--b--"));
    ASSERT_EQ(form.parts.size(), 1u);
    EXPECT_EQ(form.parts[0].content, "1");
}

TEST(multipart, a_form_may_have_no_parts) {
    form_reader form;
    EXPECT_TRUE(form.read("--b--\r\n"));
    EXPECT_TRUE(form.parts.empty());
}

TEST(multipart, names_are_quoted_escaped_or_plain) {
    EXPECT_EQ(head_of(disposition("name=plain")).name, "plain");
    EXPECT_EQ(head_of(disposition("NAME=\"a b;c=d\"")).name, "a b;c=d");
    EXPECT_EQ(head_of(disposition("name=\"say \\\"hi\\\" \\\\o\"")).name, "say \"hi\" \\o");
    EXPECT_EQ(head_of("content-disposition:form-data;name=x\r\n").name, "x");
    EXPECT_EQ(head_of(disposition("name=first; name=second")).name, "first");
    EXPECT_EQ(head_of("Content-Disposition: form-data;\r\n name=folded\r\n").name, "folded");
}

TEST(multipart, a_part_that_is_no_form_field_has_no_name) {
    EXPECT_EQ(head_of("").name, "");
    EXPECT_EQ(head_of("Content-Type: text/plain\r\n").name, "");
    EXPECT_EQ(head_of("Content-Disposition: attachment; name=x\r\n").name, "");
    EXPECT_EQ(head_of(disposition("filename=x")).name, "");
}

TEST(multipart, filenames_lose_their_folders) {
    EXPECT_EQ(head_of(disposition("name=x; filename=\"C:\\dir\\cat.png\"")).filename, "cat.png");
    EXPECT_EQ(head_of(disposition("name=x; filename=\"../../etc/passwd\"")).filename, "passwd");
    EXPECT_EQ(head_of(disposition("name=x; filename=\"a\x01\x7f.png\"")).filename, "a.png");
    const auto empty = head_of(disposition("name=x; filename=\"\""));
    EXPECT_TRUE(empty.has_filename);
    EXPECT_EQ(empty.filename, "");
}

TEST(multipart, extended_filenames_are_decoded_and_win) {
    EXPECT_EQ(
        head_of(disposition("name=x; filename=\"plain\"; filename*=UTF-8''na%C3%AFve%20.png"))
            .filename,
        "na\xc3\xafve .png"
    );
    EXPECT_EQ(
        head_of(disposition("name=x; filename*=iso-8859-1'en'%A3.png")).filename, "\xc2\xa3.png"
    );
    for (const auto* bad : {"UTF-8''%FF", "UTF-8''%4", "koi8-r''x", "nothing"})
        EXPECT_EQ(
            head_of(disposition("name=x; filename=plain; filename*=" + std::string(bad))).filename,
            "plain"
        );
}

TEST(multipart, a_body_that_ends_early_is_refused) {
    EXPECT_EQ(failure_of(""), "multipart: NextPart: EOF");
    EXPECT_EQ(failure_of("no boundary anywhere"), "multipart: NextPart: EOF");
    EXPECT_EQ(failure_of("--b\r\nContent-Disp"), "multipart: NextPart: unexpected EOF");
    const auto whole = field(disposition("name=x"), "12") + "--b--";
    for (std::size_t cut = 6; cut < whole.size(); ++cut)
        EXPECT_EQ(failure_of(whole.substr(0, cut)), "multipart: NextPart: unexpected EOF") << cut;
}

TEST(multipart, malformed_part_headers_are_refused) {
    for (const auto* head :
         {"no colon\r\n",
          ": no name\r\n",
          " begins folded\r\n",
          "A: b\nC: d\r\n",
          "Content-Disposition: form-data; name=\"open\r\n",
          "Content-Disposition: form-data; name=\"x\"y\r\n",
          "Content-Disposition: form-data; loose\r\n",
          "Content-Disposition: ; name=x\r\n"})
        EXPECT_THAT(failure_of(field(head, "x") + "--b--"), HasSubstr("malformed part header"))
            << head;
    EXPECT_THAT(
        failure_of(
            field(disposition("name=x") + "Content-Transfer-Encoding: base64\r\n", "x") + "--b--"
        ),
        HasSubstr("base64")
    );
}

TEST(multipart, headers_of_a_part_are_held_to_their_limit_exactly) {
    multipart_limits limits;
    limits.header_bytes = 60;
    const auto head = disposition("name=");
    const auto fits = disposition("name=" + std::string(60 - head.size(), 'n'));
    ASSERT_EQ(fits.size(), 60u);
    EXPECT_EQ(failure_of(field(fits, "x") + "--b--", limits), "none");
    const auto past = disposition("name=" + std::string(61 - head.size(), 'n'));
    EXPECT_THAT(failure_of(field(past, "x") + "--b--", limits), HasSubstr("larger than 60 bytes"));
    EXPECT_THAT(failure_of("--b\r\n" + std::string(100'000, 'x'), limits), HasSubstr("60 bytes"));
}

TEST(multipart, parts_are_counted) {
    multipart_limits limits;
    limits.parts = 3;
    std::string body;
    for (int i = 0; i < 3; ++i)
        body += field(disposition("name=x"), "1");
    EXPECT_EQ(failure_of(body + "--b--", limits), "none");
    form_reader form("b", limits);
    auto read = form.read(body + field(disposition("name=x"), "1") + "--b--");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, errc::too_many);
    EXPECT_EQ(form.parts.size(), 3u);
}

TEST(multipart, a_refusal_of_the_reader_ends_it_and_stays) {
    multipart_events events;
    int calls = 0;
    events.data = [&](std::span<const std::uint8_t>) -> outcome<void> {
        ++calls;
        return failure(errc::too_large, "enough");
    };
    multipart_parser parser("b", {}, std::move(events));
    const auto text = field(disposition("name=x"), "1") + field(disposition("name=y"), "2");
    const std::span<const std::uint8_t> body(
        reinterpret_cast<const std::uint8_t*>(text.data()), text.size()
    );
    for (int i = 0; i < 2; ++i) {
        auto fed = parser.feed(body);
        ASSERT_FALSE(fed);
        EXPECT_EQ(fed.error().detail, "enough");
    }
    EXPECT_EQ(parser.finish().error().detail, "enough");
    EXPECT_EQ(calls, 1);
}

TEST(multipart, large_pieces_are_handed_on_whole) {
    std::string content;
    for (int i = 0; i < 100'000; ++i)
        content += static_cast<char>(i * 7);
    std::size_t calls = 0, total = 0;
    multipart_events events;
    events.data = [&](std::span<const std::uint8_t> piece) {
        ++calls;
        total += piece.size();
        return outcome<void>();
    };
    multipart_parser parser("b", {}, std::move(events));
    const auto text = field(disposition("name=x"), content) + "--b--";
    ASSERT_TRUE(parser.feed({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
    EXPECT_TRUE(parser.finish());
    EXPECT_EQ(total, content.size());
    EXPECT_LE(calls, 2u) << "line breaks within binary data are no reason to cut it";
}

TEST(multipart_boundary, is_found_in_the_content_type) {
    EXPECT_EQ(*multipart_boundary("multipart/form-data; boundary=abc"), "abc");
    EXPECT_EQ(
        *multipart_boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b:c\""), "a b:c"
    );
    EXPECT_EQ(
        multipart_boundary("multipart/form-data; boundary=" + std::string(70, 'x'))->size(), 70u
    );
}

TEST(multipart_boundary, says_what_is_missing) {
    const auto refused = [](std::string_view type) {
        auto made = multipart_boundary(type);
        EXPECT_FALSE(made) << type;
        if (made)
            return std::string();
        EXPECT_EQ(made.error().code, errc::invalid_argument);
        return made.error().detail;
    };
    for (const auto* type :
         {"", "application/json", "multipart/mixed; boundary=x", "form-data", ";"})
        EXPECT_EQ(refused(type), "request Content-Type isn't multipart/form-data") << type;
    for (const auto* type :
         {"multipart/form-data",
          "multipart/form-data; charset=utf-8",
          "multipart/form-data; boundary=",
          "multipart/form-data; boundary=\"\"",
          "multipart/form-data; boundary"})
        EXPECT_EQ(refused(type), "no multipart boundary param in Content-Type") << type;
    EXPECT_THAT(
        refused("multipart/form-data; boundary=" + std::string(71, 'x')), HasSubstr("1 to 70")
    );
    EXPECT_THAT(refused("multipart/form-data; boundary=\"a\tb\""), HasSubstr("printable"));
}

TEST(multipart_writer, writes_what_the_parser_reads) {
    const std::string name = "na\"me\\", filename = "c \"a\"\\t.png";
    const auto body = form_file_head("b", "image", "cat.png", "application/octet-stream") +
                      "\r\nbytes\r\n" + std::string(form_file_end) +
                      form_part("b", name, "a\r\nvalue") + form_part("b", "empty", "") +
                      form_end("b");
    form_reader form;
    ASSERT_TRUE(form.read(body));
    ASSERT_EQ(form.parts.size(), 3u);
    EXPECT_EQ(form.parts[0].head.filename, "cat.png");
    EXPECT_EQ(form.parts[0].head.content_type, "application/octet-stream");
    EXPECT_EQ(form.parts[0].content, "\r\nbytes\r\n");
    EXPECT_EQ(form.parts[1].head.name, name);
    EXPECT_EQ(form.parts[1].content, "a\r\nvalue");
    EXPECT_EQ(form.parts[2].content, "");
    const auto forged = form_part("b", "x\r\nX-Evil: 1", "");
    EXPECT_EQ(forged.find("\r\nX-Evil"), std::string::npos);
}

} // namespace
} // namespace rivulet::http
