"""A convolutional classifier with a training and a test function, as tutorials write them."""

import torch
import torch.optim as optim
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split
from waves import set_weights, wave


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008 (as programs have it)
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, stride=2, padding=1, groups=2),
            nn.LeakyReLU(0.1, inplace=True),
            nn.AdaptiveAvgPool2d((2, 2)),
        )
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(8 * 2 * 2, 3)
        self.dropout = nn.Dropout(p=0.0)

    def forward(self, x):
        return self.classifier(self.dropout(self.flatten(self.features(x))))


def train(model, device, loader, optimizer, criterion):
    model.train()
    total = 0.0
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        total += loss.item() * data.size(0)
    return total / len(loader.dataset)


def test(model, device, loader, criterion):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data.to(device))
            loss += criterion(output, target).item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return loss / len(loader), correct / len(loader.dataset)


def main():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = wave(40, 1, 8, 8)
    labels = (images.mean(dim=(1, 2, 3)) * 10).round().long().remainder(3)
    data = TensorDataset(images, labels)
    parts = random_split(data, [32, 8], generator=torch.Generator().manual_seed(0))
    assert [len(part) for part in parts] == [32, 8]
    loader = DataLoader(data, batch_size=8)
    model = set_weights(Net()).to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    history = []
    for _ in range(4):
        history.append(
            [train(model, device, loader, optimizer, criterion), scheduler.get_last_lr()]
        )
        scheduler.step()
    return {
        "history": history,
        "test": test(model, device, loader, criterion),
        "running": [model.features[1].running_mean, model.features[1].running_var],
        "tracked": model.features[1].num_batches_tracked.item(),
        "printed": str(model),
    }
