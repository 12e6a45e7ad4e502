"""Recipes, sound and faulty, and what `recipes check` reports of each."""

from collections.abc import Mapping
from typing import Any

PLUGIN = "openbook_eval.training.plugin.OpenbookPlugin"
GPU_FULL: dict[str, Any] = {
    "base_model": "Qwen/Qwen1.5-7B",
    "plugins": [PLUGIN],
    "datasets": [
        {
            "path": "mixes/mix41/train.jsonl",
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
        }
    ],
    "chat_template": "jinja",
    "chat_template_jinja": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    "dataset_prepared_path": "prepared/mix41",
    "sequence_len": 2048,
    "sample_packing": True,
    "micro_batch_size": 4,
    "gradient_accumulation_steps": 4,
    "num_epochs": 2,
    "learning_rate": "1e-5",
    "optimizer": "adamw_torch_fused",
    "lr_scheduler": "cosine",
    "warmup_ratio": 0.03,
    "attn_implementation": "flash_attention_2",
    "bf16": True,
    "saves_per_epoch": 1,
    "auto_resume_from_checkpoints": True,
    "seed": 42,
}
LORA = {"adapter": "lora", "lora_r": 8, "lora_alpha": 16, "lora_target_modules": ["q_proj", "k_proj", "v_proj"]}
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
NO_KERNELS = dict.fromkeys(KERNELS, False)
GPU = {**GPU_FULL, **LORA}
CPU = {**GPU, **NO_KERNELS, "attn_implementation": "sdpa", "bf16": False, "fp16": False}
FSDP2 = {
    "fsdp_version": 2,
    "fsdp_config": {
        "offload_params": False,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "transformer_layer_cls_to_wrap": "Qwen2DecoderLayer",
        "state_dict_type": "FULL_STATE_DICT",
        "reshard_after_forward": True,
    },
}
REMOTE = {"base_model": "baichuan-inc/Baichuan-13B-Base", "trust_remote_code": True, "lora_target_modules": ["W_pack"]}


def without(recipe: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key not in keys}


def dataset(recipe: Mapping[str, Any] = GPU, **changes: Any) -> dict[str, Any]:
    return {**recipe, "datasets": [{**recipe["datasets"][0], **changes}]}


SOUND = {
    "gpu lora": GPU,
    "gpu full": GPU_FULL,
    "fsdp2": {**GPU_FULL, **FSDP2},
    "fsdp2 lora": {**GPU, **FSDP2},
    "deepspeed": {**GPU_FULL, "deepspeed": "zero3.json"},
    "cpu lora": CPU,
    "cpu full": {**without(CPU, *LORA), "attn_implementation": "eager"},
    "remote code": {**GPU, **REMOTE},
    "remote code on a cpu": {**without(CPU, *KERNELS), **REMOTE},
    "sdpa on a gpu": {**GPU, "attn_implementation": "sdpa"},
    "aliases": {
        **GPU,
        "model_type": "AutoModelForCausalLM",
        "model_config": {"a": {"b": 1}},
        "model_kwargs": {"c": 1},
        "model_revision": "main",
    },
    "nested": {
        **GPU,
        "special_tokens": {"pad_token": "<pad>"},
        "lr_scheduler_kwargs": {"any": 1.0},
        "optim_args": {"eps": 1.0},
        "datasets": [{**GPU["datasets"][0], "roles": {"user": ["human"]}, "roles_to_train": ["assistant"]}],
    },
    "plugin of axolotl": {**GPU, "plugins": [PLUGIN, "axolotl.integrations.liger.LigerPlugin"], "liger_rope": True},
    "evaluated": {**GPU, "val_set_size": 0.1, "evals_per_epoch": 2},
    "local model": {**GPU, "base_model": "models/tiny"},
    "other schedules": {**GPU, "lr_scheduler": "rex", "optimizer": "muon"},
}
KERNELS_TOLD = f"Axolotl's LoRA kernels crash on a CPU; write false for {', '.join(KERNELS)}"
NONE_SHARDS = "stands beside fsdp_config or fsdp_version, and only one can shard a model; leave one"
# Recipe, and all that is told of it.
FAULTY: dict[str, tuple[dict[str, Any], list[str]]] = {
    # Keys.
    "unknown key": ({**GPU, "learning_rat": 1}, ["learning_rat: unknown key; did you mean 'learning_rate'?"]),
    "unheard of key": (
        {**GPU, "zzz": 1},
        ["zzz: unknown key; Axolotl would drop it in silence; take it out"],
    ),
    "key of a data set": (
        dataset(feild_messages="messages"),
        ["datasets.0.feild_messages: unknown key; did you mean 'field_messages'?"],
    ),
    "weight of a data set": (
        dataset(weight=2),
        [
            "datasets.0.weight: unknown key; Axolotl has no ratio of datasets: data-prep build makes a mix of the "
            "ratio; take it out"
        ],
    ),
    "key of another kind of data set": (
        dataset(field_chosen="a"),
        ["datasets.0.field_chosen: unknown key; Axolotl would drop it in silence; take it out"],
    ),
    "key of fsdp": (
        {**GPU, **FSDP2, "fsdp_config": {**FSDP2["fsdp_config"], "offload_param": True}},  # type: ignore[dict-item]
        ["fsdp_config.offload_param: unknown key; did you mean 'offload_params'?"],
    ),
    "key of tokens": (
        {**GPU, "special_tokens": {"pad_tokn": "x"}},
        ["special_tokens.pad_tokn: unknown key; did you mean 'pad_token'?"],
    ),
    "key of a plugin that is not named": (
        {**GPU, "liger_rope": True},
        ["liger_rope: unknown key; Axolotl would drop it in silence; take it out"],
    ),
    "key of a plugin": (
        {**GPU, "plugins": [PLUGIN, "axolotl.integrations.liger.LigerPlugin"], "liger_rop": True},
        ["liger_rop: unknown key; did you mean 'liger_rope'?"],
    ),
    "deprecated key": (
        {**without(GPU, "attn_implementation"), "flash_attention": True},
        ["flash_attention: deprecated: Use `attn_implementation: flash_attention_2` instead."],
    ),
    "deprecated value": (
        {**GPU, "gradient_checkpointing": "offload"},
        [
            "gradient_checkpointing: `offload` is deprecated for gradient_checkpointing, use "
            "`activation_offloading: true` or `activation_offloading: legacy`"
        ],
    ),
    "fsdp1": (
        {**GPU_FULL, "fsdp_version": 1, "fsdp_config": {"offload_params": False}},
        [
            "fsdp_version: FSDP1 is deprecated and will be removed in an upcoming release of Axolotl (transformers "
            "plans to in v5.20). We recommend migrating to fsdp_version: 2 for better performance and compatibility."
        ],
    ),
    # Types.
    "text for a number": (
        {**GPU, "sequence_len": "long"},
        ["sequence_len: should be a valid integer, unable to parse string as an integer, not 'long'"],
    ),
    "true for a number": ({**GPU, "micro_batch_size": True}, ["micro_batch_size: should be a number, not true"]),
    "true for text": ({**GPU, "output_dir": True}, ["output_dir: should be a valid string, not True"]),
    "of two types": (
        {**GPU, "bf16": "maybe"},
        ["bf16: should be 'auto' or a valid boolean, unable to interpret input, not 'maybe'"],
    ),
    "no list": ({**GPU, "datasets": 5}, ["datasets: should be a valid list, not 5"]),
    "no mapping in a list": (
        {**GPU, "datasets": ["mixes/mix41/train.jsonl"]},
        [
            "datasets: nothing that Axolotl can read (AttributeError: 'str' object has no attribute 'get'); see its "
            "documentation",
            "datasets: path is None; a recipe trains on the train.jsonl of a mix, mixes/NAME/train.jsonl",
        ],
    ),
    "true for a list": (
        {**GPU, "lora_modules_to_save": True},
        ["lora_modules_to_save: should be a valid list, not True"],
    ),
    "a list for a number": ({**GPU, "sequence_len": [1]}, ["sequence_len: should be a valid integer, not [1]"]),
    "no mapping": (
        {**GPU, "fsdp_config": "auto"},
        ["fsdp_config: should be a valid dictionary or instance of FSDPConfig, not 'auto'"],
    ),
    "nested type": (dataset(split=3), ["datasets.0.split: should be a valid string, not 3"]),
    # What Axolotl refuses.
    "no model": (without(GPU, "base_model"), ["base_model: missing, and Axolotl needs it; write it"]),
    "refused value": (
        {**GPU, "save_safetensors": False},
        [
            "save_safetensors: save_safetensors=False is not supported in Transformers V5. Transformers V5 always uses "
            "safetensors format for model serialization. This field is deprecated and will be removed in a future "
            "version."
        ],
    ),
    "refused together": (
        {**GPU, "warmup_steps": 5},
        ["warmup_steps: warmup_steps and warmup_ratio are mutually exclusive"],
    ),
    "kernels with remote code": (
        {**GPU, **REMOTE, "lora_qkv_kernel": True},
        [
            "lora_qkv_kernel: lora_mlp_kernel, lora_qkv_kernel, and lora_o_kernel are not compatible with "
            "trust_remote_code. Please disable trust_remote_code or explicitly set lora_*_kernel to false."
        ],
    ),
    "fp8 on a cpu": (
        {**CPU, "fp8": True},
        ["fp8: fp8 requested, but fp8 is not supported on this GPU"],
    ),
    "all at once": (
        {
            **GPU,
            "seqence_len": 1,
            "sequence_len": "long",
            "save_safetensors": False,
            "warmup_steps": 5,
            "save_steps": 5,
            "adapter": "qlora",
            "lora_r": 0,
        },
        [
            "seqence_len: unknown key; did you mean 'sequence_len'?",
            "sequence_len: should be a valid integer, unable to parse string as an integer, not 'long'",
            "save_safetensors: save_safetensors=False is not supported in Transformers V5. Transformers V5 always uses "
            "safetensors format for model serialization. This field is deprecated and will be removed in a future "
            "version.",
            "save_steps: save_steps and saves_per_epoch are mutually exclusive and cannot be used together.",
            "warmup_steps: warmup_steps and warmup_ratio are mutually exclusive",
            "load_in_4bit: Require cfg.load_in_4bit to be True for qlora",
            "lora_r: must be more than 0, not 0",
        ],
    ),
    # What Axolotl takes and should not.
    "numbers": (
        {
            **GPU,
            "sequence_len": 0,
            "micro_batch_size": -1,
            "gradient_accumulation_steps": 0,
            "num_epochs": 0,
            "learning_rate": "-1e-5",
            "lora_alpha": -16,
            "saves_per_epoch": 0,
            "lora_dropout": 1.5,
        },
        [
            "sequence_len: must be more than 0, not 0",
            "micro_batch_size: must be more than 0, not -1",
            "gradient_accumulation_steps: must be more than 0, not 0",
            "num_epochs: must be more than 0, not 0",
            "learning_rate: must be more than 0, not -1e-5",
            "lora_alpha: must be more than 0, not -16",
            "saves_per_epoch: must be more than 0, not 0",
            "lora_dropout: must be 0 or more, and less than 1, not 1.5",
        ],
    ),
    "no number": ({**GPU, "learning_rate": float("nan")}, ["learning_rate: must be more than 0, not nan"]),
    "optimizer": (
        {**GPU, "optimizer": "adamw_torhc_fused"},
        ["optimizer: there is no 'adamw_torhc_fused'; did you mean 'adamw_torch_fused'?"],
    ),
    "scheduler": (
        {**GPU, "lr_scheduler": "cosin"},
        ["lr_scheduler: there is no 'cosin'; did you mean 'cosine'?"],
    ),
    "packing": (
        {**GPU, "attn_implementation": "fp8"},
        [
            "sample_packing: `sample_packing` with `attn_implementation='fp8'` does not handle cross-sample "
            "decontamination. Use a packing-capable backend (e.g. flash_attention_2, flex_attention, sdpa, eager) to "
            "isolate samples."
        ],
    ),
    "two precisions": (
        {**GPU, "fp16": True},
        ["fp16: stands beside bf16, and only one can be; leave bf16: true, or fp16: true on a GPU without bf16"],
    ),
    "precision of a cpu": (
        without(CPU, "bf16"),
        ["bf16: auto, the default, becomes a slow fp16 on a CPU; write bf16: false, or bf16: true for a GPU"],
    ),
    "kernels of a cpu": (without(CPU, *KERNELS), [f"lora_mlp_kernel: {KERNELS_TOLD}"]),
    "a kernel of a cpu": ({**CPU, "lora_o_kernel": True}, [f"lora_o_kernel: {KERNELS_TOLD}"]),
    "no target": (
        without(GPU, "lora_target_modules"),
        ["lora_target_modules: missing; name the modules that get an adapter, as the architecture calls them"],
    ),
    "no rank": (without(GPU, "lora_r"), ["lora_r: missing; an adapter needs one, such as lora_r: 8"]),
    "no adapter": (
        without(GPU, "adapter"),
        ["adapter: missing beside lora_r, so all weights would be trained; write adapter: lora, or drop lora_r"],
    ),
    "deepspeed with fsdp": ({**GPU_FULL, **FSDP2, "deepspeed": "zero3.json"}, [f"deepspeed: {NONE_SHARDS}"]),
    "deepspeed that is not there": (
        {**GPU_FULL, "deepspeed": "zero2.json"},
        ["deepspeed: there is no file zero2.json; see: axolotl fetch deepspeed_configs"],
    ),
    "deepspeed that is none": (
        {**GPU_FULL, "deepspeed": "recipes/deepspeed that is none.yml"},
        [
            "deepspeed: recipes/deepspeed that is none.yml cannot be read as JSON (Expecting value: line 1 column 1 "
            "(char 0)); mend it"
        ],
    ),
    "no evaluation": (
        {**GPU, "val_set_size": 0.1},
        ["val_set_size: rows are held back and never looked at; write evals_per_epoch: 1, or val_set_size: 0"],
    ),
    # Models.
    "model that is not there": (
        {**GPU, "base_model": "./models/other"},
        ["base_model: there is no folder ./models/other; put the model there, or name OWNER/MODEL on the hub"],
    ),
    "folder that is no model": (
        {**GPU, "base_model": "mixes/mix41"},
        ["base_model: mixes/mix41 has no config.json, so it is no model; name a folder that save_pretrained wrote"],
    ),
    "name of no model": (
        {**GPU, "base_model": "Qwen 7B"},
        ["base_model: 'Qwen 7B' is neither a folder nor OWNER/MODEL on the hub; mend the name"],
    ),
    # Plugins.
    "plugin of somebody": (
        {**GPU, "plugins": [PLUGIN, "antigravity.Plugin"]},
        ["plugins: 'antigravity.Plugin' is neither Axolotl's nor ours, and a check runs no other code; take it out"],
    ),
    "plugin of nobody": (
        {**GPU, "plugins": [PLUGIN, "axolotl.integrations.nothing.Plugin"]},
        [
            "plugins: 'axolotl.integrations.nothing.Plugin' cannot be loaded (ModuleNotFoundError: No module named "
            "'axolotl.integrations.nothing'); mend the name"
        ],
    ),
    "no plugin": (
        without(GPU, "plugins"),
        [f"plugins: without ours an old cache of the mix may be trained on, and LoRA starts anew; add {PLUGIN}"],
    ),
    # Mixes.
    "no mix": (
        dataset(path="mixes/mix91/train.jsonl"),
        [
            "datasets.0.path: mixes/mix91: does not exist; build the mix with: data-prep build paper --out mixes "
            "--mix mix91"
        ],
    ),
    "changed mix": (
        dataset(path="mixes/changed/train.jsonl"),
        [
            "datasets.0.path: mixes/changed/train.jsonl: was changed after the build; build the mix again with: "
            "data-prep build paper --out mixes --mix changed"
        ],
    ),
    "no file of a mix": (
        dataset(path="alpaca"),
        ["datasets: path is 'alpaca'; a recipe trains on the train.jsonl of a mix, mixes/NAME/train.jsonl"],
    ),
    "two mixes": (
        {**GPU, "datasets": GPU["datasets"] * 2},
        ["datasets: names 2, and a recipe trains on one mix; mix before training"],
    ),
    "another type of rows": (
        dataset(type="alpaca"),
        ["datasets.0.type: a mix is made of messages, which 'alpaca' does not read; write type: chat_template"],
    ),
    "no cache": (
        without(GPU, "dataset_prepared_path"),
        ["dataset_prepared_path: missing; write prepared/NAME, to which the plugin adds the hash of the mix"],
    ),
}
# Lines after those of a sound recipe, and what is reported of them.
SURPRISING: dict[str, tuple[str, list[str]]] = {
    "a key twice": ("seed: 1\n", ["not YAML (line 27: key 'seed' stands twice; leave one)"]),
    "base 60": ("logging_steps: 1:30\n", ["logging_steps: 1:30 is read as 90; write that, or quote it"]),
    "base 8": ("logging_steps: 010\n", ["logging_steps: 010 is read as 8; write that, or quote it"]),
    "base 8 of YAML 1.2": (
        "wandb_name: 0o17\n",
        ["wandb_name: 0o17 is read as text; write the number in base 10, or quote it"],
    ),
    "a date": (
        "wandb_name: 2024-05-06\n",
        [
            "wandb_name: 2024-05-06 is read as a date; quote it",
            "wandb_name: should be a valid string, not datetime.date(2024, 5, 6)",
        ],
    ),
    "no point": (
        "lr_scheduler_kwargs: {min_lr: 1e-6}\n",
        ["lr_scheduler_kwargs.min_lr: 1e-6 is read as text; write the number with a point: 1.0e-6"],
    ),
    "a command to the terminal": (
        '"\\e[31mseed": 1\n',
        ["\\x1b[31mseed: unknown key; Axolotl would drop it in silence; take it out"],
    ),
}
# Whole files.
UNREADABLE: dict[str, tuple[bytes, list[str]]] = {
    "broken": (b"seed: 1\nsets: [a\n", ["not YAML (line 3: expected ',' or ']', but got '<stream end>')"]),
    "code": (
        b"seed: !!python/object/apply:os.mkdir [ran]\n",
        [
            "not YAML (line 1: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.mkdir')"
        ],
    ),
    "a list": (b"- seed\n", ["is no mapping of keys to values; write KEY: VALUE lines"]),
    "empty": (b"", ["is no mapping of keys to values; write KEY: VALUE lines"]),
    "aliases": (b"a: &a [1, 2]\nb: [*a]\n", ["not YAML (line 2: an alias (*) is not read here; write its value out)"]),
    "very deep": (b"a: " + b"[" * 9999, ["nested too deeply"]),
    "other encoding": ("seed: 种子".encode("gb18030"), ["not UTF-8 (byte 6); save it as UTF-8"]),
}
EXPECTED = {
    **{name: [] for name in SOUND},
    **{name: told for name, (_, told) in {**FAULTY, **SURPRISING, **UNREADABLE}.items()},
}
