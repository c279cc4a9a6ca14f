#include "batch/request.hpp"
#include "sample_requests.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

const pipeline& picture() {
    return row("text-to-image");
}

// The failure, which must be a 400.
api_error refused(const pipeline& kind, std::string_view body) {
    const auto made = parse_json(kind, body);
    if (made) {
        ADD_FAILURE() << "taken: " << body;
        return {};
    }
    EXPECT_EQ(made.error().status, http::status::bad_request) << body;
    EXPECT_FALSE(made.error().message.empty()) << body;
    return made.error();
}

boost::json::object forwarded(const request& from) {
    return boost::json::parse(forwarded_json(from)).as_object();
}

TEST(batch_conformance, s8_a_picture_without_size_is_512_by_512) {
    const auto one = parse_json(picture(), R"({"prompt":"a cat"})");
    ASSERT_TRUE(one);
    EXPECT_EQ(forwarded(*one).at("height"), 512);
    EXPECT_EQ(forwarded(*one).at("width"), 512);
    EXPECT_EQ(one->units(), 262'144);
    const auto four = parse_json(picture(), R"({"prompt":"a cat","num_images_per_prompt":4})");
    ASSERT_TRUE(four);
    EXPECT_EQ(four->units(), 4 * 262'144);
}

TEST(batch_conformance, s9_at_least_one_picture_is_made) {
    for (const std::string_view wanted : {"0", "-3"}) {
        const auto text = parse_json(
            picture(), R"({"prompt":"p","num_images_per_prompt":)" + std::string(wanted) + "}"
        );
        ASSERT_TRUE(text);
        EXPECT_EQ(forwarded(*text).at("num_images_per_prompt"), 1);
        const auto form = parse_form(
            row("image-to-image"),
            {{"prompt", "p"}, {"num_images_per_prompt", std::string(wanted)}},
            file_of("bytes")
        );
        ASSERT_TRUE(form);
        EXPECT_EQ(form->fields.at("num_images_per_prompt"), 1);
    }
}

TEST(batch_conformance, s10_an_absent_or_empty_model_is_the_default_and_is_forwarded) {
    for (const auto& kind : catalog()) {
        const std::string key(kind.model_field);
        if (kind.body == body_kind::multipart) {
            auto values = least_form(kind);
            values.emplace_back(key, "");
            const auto empty = parse_form(kind, values, file_of("bytes"));
            const auto absent = least_request(kind);
            ASSERT_TRUE(empty && absent) << kind.name;
            EXPECT_EQ(empty->model, kind.default_model);
            EXPECT_EQ(forwarded_form(*empty), forwarded_form(*absent));
            EXPECT_EQ(absent->fields.at(key), kind.default_model.data());
            continue;
        }
        auto body = least_json(kind);
        const auto absent = parse_json(kind, body);
        body.insert(1, "\"" + key + "\":\"\",");
        const auto empty = parse_json(kind, body);
        ASSERT_TRUE(absent && empty) << kind.name;
        EXPECT_EQ(empty->model, kind.default_model);
        EXPECT_EQ(forwarded(*empty).at(key), kind.default_model.data());
        EXPECT_EQ(forwarded_json(*absent), forwarded_json(*empty));
    }
}

TEST(batch_conformance, s11_unknown_keys_are_dropped_and_case_does_not_matter) {
    const auto made = parse_json(
        picture(),
        R"({"PROMPT":"a cat","Height":64,"x":{"prompt":"deep","y":[1,[2]]},"Num_Inference_Steps":3})"
    );
    ASSERT_TRUE(made);
    const auto out = forwarded(*made);
    EXPECT_EQ(out.at("prompt"), "a cat");
    EXPECT_EQ(out.at("height"), 64);
    EXPECT_EQ(out.at("num_inference_steps"), 3);
    EXPECT_FALSE(out.contains("x"));
    EXPECT_FALSE(out.contains("PROMPT"));
    EXPECT_EQ(out.size(), 6u);
}

TEST(batch_conformance, s12_a_broken_or_empty_body_is_refused) {
    for (const auto& kind : catalog()) {
        if (kind.body != body_kind::json)
            continue;
        for (const std::string_view body :
             {"{", "", " \n", "{\"prompt\":", "x", "{\"prompt\":\"a\",}", "[]", "5", "\"text\""})
            refused(kind, body);
    }
    EXPECT_EQ(refused(picture(), "").message, "The body is empty; a JSON object is expected");
    EXPECT_EQ(refused(picture(), "[{}]").message, "The body must be a JSON object, not a list");
}

TEST(batch_conformance, s13_a_value_of_another_type_is_refused_by_name) {
    EXPECT_EQ(
        refused(picture(), R"({"prompt":"p","height":"512"})").message,
        "height must be an integer, not text"
    );
    const auto why = refused(picture(), R"({"prompt":"p","height":1.5})");
    EXPECT_EQ(why.message, "height must be an integer, not 1.5");
    EXPECT_EQ(why.field, "height");
    EXPECT_EQ(refused(picture(), R"({"prompt":5})").field, "prompt");
    EXPECT_EQ(refused(picture(), R"({"prompt":["a"]})").field, "prompt");
    EXPECT_EQ(refused(picture(), R"({"prompt":{"a":1}})").field, "prompt");
    EXPECT_EQ(refused(picture(), R"({"prompt":"p","safety_check":"true"})").field, "safety_check");
    EXPECT_EQ(refused(picture(), R"({"prompt":"p","seed":1e3})").field, "seed");
    EXPECT_EQ(refused(picture(), R"({"prompt":"p","seed":9223372036854775808})").field, "seed");
    EXPECT_EQ(refused(picture(), R"({"prompt":"p","seed":99999999999999999999999})").field, "seed");
    EXPECT_EQ(
        refused(picture(), R"({"prompt":"p","guidance_scale":1e39})").field, "guidance_scale"
    );
}

TEST(batch_conformance, s24_speech_needs_a_text) {
    for (const std::string_view body : {"{}", R"({"text":""})", R"({"text":null})", "null"}) {
        const auto why = refused(row("text-to-speech"), body);
        EXPECT_EQ(why.message, "text field is required");
        EXPECT_EQ(why.field, "text");
    }
}

TEST(batch_conformance, s25_a_conversation_needs_messages_and_nothing_else) {
    const auto& llm = row("llm");
    for (const std::string_view body : {"{}", R"({"messages":[]})", R"({"messages":null})"})
        EXPECT_EQ(refused(llm, body).field, "messages");
    const auto made = parse_json(llm, R"({"messages":[{"role":"user","content":"hi"}]})");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->units(), 256);
    EXPECT_FALSE(made->stream);
    EXPECT_EQ(
        forwarded_json(*made),
        R"({"messages":[{"role":"user","content":"hi"}],)"
        R"("model":"meta-llama/llama-3.1-8B-Instruct","max_tokens":256,"stream":false})"
    );
}

TEST(request_json, what_the_sdk_always_sends_is_taken) {
    const auto picture_of = parse_json(
        picture(),
        R"({"model_id":"","loras":"","prompt":"p","height":576,"width":1024,"guidance_scale":7.5,)"
        R"("negative_prompt":"","safety_check":true,"num_inference_steps":50,)"
        R"("num_images_per_prompt":1})"
    );
    ASSERT_TRUE(picture_of);
    EXPECT_EQ(picture_of->units(), 576 * 1024);
    EXPECT_TRUE(parse_json(
        row("llm"),
        R"({"messages":[{"role":"user","content":"x"}],"model":"","temperature":0.7,)"
        R"("max_tokens":256,"top_p":1,"top_k":-1,"stream":false})"
    ));
}

TEST(request_json, sizes_and_counts_have_limits) {
    const auto with = [](std::string_view rest) {
        return R"({"prompt":"p",)" + std::string(rest) + "}";
    };
    for (const std::string_view good :
         {R"("height":1)", R"("height":8192)", R"("width":8192)", R"("num_images_per_prompt":64)"})
        EXPECT_TRUE(parse_json(picture(), with(good))) << good;
    EXPECT_EQ(
        refused(picture(), with(R"("height":0)")).message,
        "height must be between 1 and 8192, not 0"
    );
    EXPECT_EQ(refused(picture(), with(R"("width":8193)")).field, "width");
    EXPECT_EQ(refused(picture(), with(R"("width":-512)")).field, "width");
    EXPECT_EQ(
        refused(picture(), with(R"("num_images_per_prompt":65)")).message,
        "num_images_per_prompt must be at most 64, not 65"
    );
    EXPECT_EQ(
        refused(row("llm"), R"({"messages":[{"role":"u","content":""}],"max_tokens":0})").field,
        "max_tokens"
    );
}

TEST(request_json, an_operator_may_set_other_limits_and_defaults) {
    request_rules rules;
    rules.highest["height"] = 100;
    rules.highest["seed"] = 5; // it has no limit, so it gets none
    rules.default_models["text-to-image"] = "rivulet/testcard";
    EXPECT_FALSE(parse_json(picture(), R"({"prompt":"p","height":101})", rules));
    const auto made = parse_json(picture(), R"({"prompt":"p","height":100,"seed":6})", rules);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->model, "rivulet/testcard");
}

TEST(request_json, reads_as_leniently_as_the_network) {
    // The last of a name counts, in any case; null is as if absent; what follows is ignored.
    auto made =
        parse_json(picture(), R"({"prompt":"a","height":1,"Height":2,"seed":3,"SEED":null} tail)");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->fields.at("height"), 2);
    EXPECT_FALSE(made->fields.contains("seed"));
    made = parse_json(picture(), R"({"prompt":"a","height":null})");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->fields.at("height"), 512);
    EXPECT_EQ(refused(picture(), "null").message, "prompt field is required");
}

TEST(request_json, escapes_and_long_texts_arrive_whole) {
    const auto made = parse_json(picture(), "{\"pr\\u006fmpt\":\"\\u00e9\\n\\\"<&>\xff\"}");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->fields.at("prompt"), "\xc3\xa9\n\"<&>?");
    const std::string text(100'000, 'x');
    const auto large = parse_json(picture(), R"({"prompt":")" + text + "\"}");
    ASSERT_TRUE(large);
    EXPECT_EQ(large->fields.at("prompt").as_string(), text.c_str());
    EXPECT_EQ(forwarded(*large).at("prompt"), large->fields.at("prompt"));
}

TEST(request_json, nesting_is_bounded) {
    const std::string deep(1000, '[');
    EXPECT_EQ(
        refused(picture(), R"({"prompt":"p","x":)" + deep).message, "The body is nested too deeply"
    );
    EXPECT_TRUE(parse_json(picture(), R"({"prompt":"p","x":[[[[[[1]]]]]]})"));
}

TEST(request_json, messages_are_checked_one_by_one) {
    const auto& llm = row("llm");
    const auto why = [&](std::string_view list) {
        return refused(llm, R"({"messages":)" + std::string(list) + "}").message;
    };
    EXPECT_EQ(why(R"("hi")"), "messages must be a list of messages, not text");
    EXPECT_EQ(why(R"({"role":"user"})"), "messages must be a list of messages, not an object");
    EXPECT_EQ(why(R"(["hi"])"), "messages[0] must be an object, not text");
    EXPECT_EQ(why(R"([[]])"), "messages[0] must be an object, not a list");
    EXPECT_EQ(why(R"([{"content":"x"}])"), "messages[0].role field is required");
    EXPECT_EQ(
        why(R"([{"role":"u","content":"x"},{"role":"u"}])"), "messages[1].content field is required"
    );
    EXPECT_EQ(
        why(R"([{"role":"u","content":5}])"), "messages[0].content must be text, not a number"
    );
    EXPECT_EQ(
        why(R"([{"role":"u","content":[{"type":"text"}]}])"),
        "messages[0].content must be text, not a list"
    );
    const auto made = parse_json(
        llm,
        R"({"messages":[{"Role":"assistant","content":null,"name":"x","tool_calls":[{"role":"y"}]},)"
        R"({"content":"b","role":"user"}]})"
    );
    ASSERT_TRUE(made);
    EXPECT_EQ(
        boost::json::serialize(made->fields.at("messages")),
        R"([{"role":"assistant","content":""},{"role":"user","content":"b"}])"
    );
}

TEST(request_json, a_conversation_has_so_many_messages_at_most) {
    const auto of = [](int count) {
        std::string body = R"({"messages":[)";
        for (int i = 0; i < count; ++i)
            body += R"({"role":"u","content":""},)";
        body.back() = ']';
        return body + "}";
    };
    EXPECT_TRUE(parse_json(row("llm"), of(4096)));
    EXPECT_EQ(refused(row("llm"), of(4097)).message, "messages has more than 4096 entries");
}

TEST(request_json, a_stream_is_noticed) {
    const auto made =
        parse_json(row("llm"), R"({"messages":[{"role":"u","content":"x"}],"stream":true})");
    ASSERT_TRUE(made);
    EXPECT_TRUE(made->stream);
}

TEST(request_json, a_model_is_a_name) {
    EXPECT_EQ(refused(picture(), R"({"prompt":"p","model_id":"a\nb"})").field, "model_id");
    const auto of = [](std::size_t size) {
        return R"({"prompt":"p","model_id":")" + std::string(size, 'm') + "\"}";
    };
    EXPECT_TRUE(parse_json(picture(), of(256)));
    refused(picture(), of(257));
}

TEST(request_json, what_is_forwarded_is_in_the_order_of_the_row) {
    const auto made = parse_json(
        picture(), R"({"seed":-4,"guidance_scale":7.5,"prompt":"p","safety_check":false})"
    );
    ASSERT_TRUE(made);
    EXPECT_EQ(
        forwarded_json(*made),
        R"({"model_id":"stabilityai/sdxl-turbo","prompt":"p","height":512,"width":512,)"
        R"("guidance_scale":7.5,"safety_check":false,"seed":-4,"num_images_per_prompt":1})"
    );
}

} // namespace
} // namespace rivulet::batch
