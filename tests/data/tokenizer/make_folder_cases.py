"""Writes folder_cases.json: small model folders, and the ids that transformers' AutoTokenizer gives with them.
Usage: make_folder_cases.py folder_cases.json      needs transformers (5.24 made the file), tokenizers"""
import json, os, sys, tempfile
from transformers import AutoTokenizer

TEXTS = ["Good DAY été", "the [MASK] newtok", "中国 <mask> good", "  good [E1] the<ent>day"]
PAIR = ["good day", "the été day"]
WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] the day good ete été Good DAY 中 国 中国 n ##ew e ##t ##e E new ##tok").split()
WORD_IDS = {word: i for i, word in enumerate(WORDS)}
VOCAB_TXT = "\n".join(WORDS) + "\n"
MERGES = [("h", "e"), ("t", "he"), ("Ġ", "the"), ("g", "o"), ("go", "o"), ("goo", "d"), ("Ġ", "good"), ("d", "a"),
          ("da", "y"), ("Ġ", "day")]
BYTE_IDS = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
for token in list("GDAYgodayethnwkĠ<>mas[]MSKÃ©") + [a + b for a, b in MERGES] + ["<mask>"]:
    BYTE_IDS.setdefault(token, len(BYTE_IDS))


def special(ids, token, lstrip=False):
    return dict(id=ids[token], content=token, single_word=False, lstrip=lstrip, rstrip=False, normalized=False,
                special=True)


def wordpiece(**normalizer):
    piece = lambda token, kind=0: {"SpecialToken": {"id": token, "type_id": kind}}
    text = lambda name, kind=0: {"Sequence": {"id": name, "type_id": kind}}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special(WORD_IDS, token) for token in WORDS[:5]],
        "normalizer": dict(type="BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None,
                           lowercase=True) | normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [piece("[CLS]"), text("A"), piece("[SEP]")],
            "pair": [piece("[CLS]"), text("A"), piece("[SEP]"), text("B", 1), piece("[SEP]", 1)],
            "special_tokens": {t: {"id": t, "ids": [WORD_IDS[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": WORD_IDS}}


def byte_level(add_prefix_space=False):
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special(BYTE_IDS, token) for token in ("<s>", "<pad>", "</s>", "<unk>")] +
                        [special(BYTE_IDS, "<mask>", lstrip=True)],
        "normalizer": None,
        "pre_tokenizer": dict(type="ByteLevel", add_prefix_space=add_prefix_space, trim_offsets=True, use_regex=True),
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                           "add_prefix_space": add_prefix_space},
        "decoder": dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": BYTE_IDS, "merges": [list(merge) for merge in MERGES]}}


def token(content, **flags):
    return dict(content=content, lstrip=False, rstrip=False, normalized=False, single_word=False) | flags


CASES = []


def case(name, model_type, tokenizer=None, config=None, limit=1000, model_config={}, **others):
    """`others`: further files, by their names without the ending and their content."""
    files = {"config.json": dict(model_type=model_type, vocab_size=100) | model_config}
    if tokenizer is not None: files["tokenizer.json"] = tokenizer
    if config is not None: files["tokenizer_config.json"] = config
    endings = {"vocab_json": "vocab.json", "vocab_txt": "vocab.txt", "merges": "merges.txt"}
    files |= {endings.get(key, key + ".json"): value for key, value in others.items()}
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            with open(os.path.join(folder, file), "w", newline="") as out:
                out.write(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
        auto = AutoTokenizer.from_pretrained(folder)
    pair = auto([PAIR[0]], [PAIR[1]], truncation=True, max_length=limit)
    CASES.append(dict(
        name=name, limit=limit, files=files, ids=[auto(t, truncation=True, max_length=limit).input_ids for t in TEXTS],
        pair=pair["input_ids"][0], types=pair.get("token_type_ids", [[0] * len(pair["input_ids"][0])])[0]))


BERT = dict(tokenizer_class="BertTokenizer")
STORED = dict(tokenizer_class="PreTrainedTokenizerFast")
ROBERTA = dict(tokenizer_class="RobertaTokenizer")
BARE = wordpiece() | dict(post_processor=None)
LEFT = wordpiece() | dict(truncation=dict(direction="Left", max_length=5, strategy="LongestFirst", stride=0))

case("agrees", "bert", wordpiece(), BERT)
case("do_lower_case_false", "bert", wordpiece(), BERT | dict(do_lower_case=False))
case("strip_accents_false", "bert", wordpiece(), BERT | dict(strip_accents=False))
case("chinese_characters_together", "bert", wordpiece(), BERT | dict(tokenize_chinese_chars=False, do_lower_case=False))
case("cased_file_without_configuration", "bert", wordpiece(lowercase=False))
case("class_of_config_json", "distilbert", wordpiece(lowercase=False),
     model_config=dict(tokenizer_class="DistilBertTokenizer"))
case("stored_class_keeps_the_file", "bert", wordpiece(lowercase=False), STORED | dict(do_lower_case=True))
case("unknown_class_keeps_the_file", "bert", wordpiece(lowercase=False), dict(tokenizer_class="NoSuchTokenizer"))
case("template_without_special_tokens", "bert", BARE, BERT)
case("template_without_special_tokens_as_stored", "bert", BARE, STORED)
case("added_tokens_decoder", "bert", wordpiece(), BERT | dict(added_tokens_decoder={
    "4": token("[MASK]", lstrip=True, rstrip=True, special=True), "40": token("newtok", normalized=True, special=False),
    "30": token("<ent>", lstrip=True, special=False)}))
case("additional_special_tokens", "bert", wordpiece(), BERT | dict(additional_special_tokens=["[E1]"]))
case("special_tokens_map_and_added_tokens", "bert", wordpiece(), BERT, added_tokens={"newtok": 23},
     special_tokens_map={"mask_token": token("[MASK]", lstrip=True), "additional_special_tokens": ["[E1]"]})
case("other_names_of_special_tokens", "bert", wordpiece(), BERT | dict(cls_token="the", sep_token="day"))
case("vocab_txt_alone", "bert", vocab_txt=VOCAB_TXT)
case("vocab_txt_and_configuration", "bert", None, BERT | dict(do_lower_case=False), vocab_txt=VOCAB_TXT)
case("vocab_txt_of_windows", "bert", vocab_txt=VOCAB_TXT.replace("\n", "\r\n"))
case("vocab_txt_of_mpnet", "mpnet", None, dict(
    tokenizer_class="MPNetTokenizer", cls_token="[CLS]", sep_token="[SEP]", bos_token="[CLS]", eos_token="[SEP]",
    mask_token="[MASK]", pad_token="[PAD]"), vocab_txt=VOCAB_TXT)
case("cut_left_by_tokenizer_json", "bert", LEFT, BERT, limit=5)
case("cut_left_by_configuration", "bert", wordpiece(), BERT | dict(truncation_side="left"), limit=5)
case("cut_right_by_configuration", "bert", LEFT, BERT | dict(truncation_side="right"), limit=5)
case("no_token_types", "bert", wordpiece(), BERT | dict(model_input_names=["input_ids", "attention_mask"]))
case("roberta_agrees", "roberta", byte_level(), ROBERTA)
case("roberta_prefix_space", "roberta", byte_level(), ROBERTA | dict(add_prefix_space=True))
case("roberta_prefix_space_of_the_file_alone", "roberta", byte_level(add_prefix_space=True), ROBERTA)
BYTES = dict(vocab_json=BYTE_IDS, merges="#version: 0.2\n" + "\n".join(map(" ".join, MERGES)) + "\n")
case("vocab_json_alone", "roberta", **BYTES)
case("vocab_json_with_special_tokens_map", "roberta", None, dict(add_prefix_space=True), **BYTES,
     special_tokens_map={"mask_token": token("<mask>", lstrip=True, normalized=True)})
case("vocab_json_of_gpt2", "roberta", None, dict(
    tokenizer_class="GPT2Tokenizer", bos_token="<s>", eos_token="</s>", unk_token="<unk>", add_bos_token=True), **BYTES)

with open(sys.argv[1], "w") as out:
    json.dump(dict(texts=TEXTS, pair=PAIR, cases=CASES), out, ensure_ascii=False, separators=(",", ":"))
    out.write("\n")
